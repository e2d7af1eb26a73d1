#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sockerless::api {

/// A JSON value as its text, for what the API leaves free; empty means null. Numbers keep every digit.
struct RawJson {
  std::string text{};
  bool operator==(const RawJson&) const = default;
};

/// Docker's `{}`: the value of a map that is used as a set (ExposedPorts, Volumes).
struct EmptyObject {
  bool operator==(const EmptyObject&) const = default;
};

/// The members of an object that its struct does not know, in their order. They survive reading and writing.
using UnknownMembers = std::vector<std::pair<std::string, RawJson>>;

}  // namespace sockerless::api
