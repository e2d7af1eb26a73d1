#include "api/names.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace sockerless::api {

namespace {

constexpr std::string_view kAllowed = "[a-zA-Z0-9][a-zA-Z0-9_.-]";

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_restricted_name(std::string_view name) {
  return name.size() >= 2 && is_alnum(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

void check_container_name(std::string_view name) {
  const std::string_view bare = name.starts_with('/') ? name.substr(1) : name;
  if (!is_restricted_name(bare)) throw Error::invalid_argument("Invalid container name ({}), only {} are allowed", name, kAllowed);
}

void check_volume_name(std::string_view name) {
  if (name.size() < 2) throw Error::invalid_argument("volume name is too short, names should be at least two alphanumeric characters");
  if (!is_restricted_name(name)) {
    throw Error::invalid_argument(
        "\"{}\" includes invalid characters for a local volume name, only \"{}\" are allowed. If you intended to pass a host directory, "
        "use "
        "absolute path",
        name, kAllowed);
  }
}

}  // namespace sockerless::api
