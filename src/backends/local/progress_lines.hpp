#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The lines of JSON that the docker command line draws its progress from.

namespace sockerless::local {

/// A line of its own, {"status": ..., "id": ...}; no id: none.
std::string plain_line(std::string_view status, std::string_view id = {});
/// What a layer is at: {"status": ..., "progressDetail": {}, "id": ...}.
std::string status_line(std::string_view status, std::string_view id);
/// The same with a bar. @param total  0: not known.
std::string progress_line(std::string_view status, std::string_view id, std::uint64_t current, std::uint64_t total);
/// {"aux": {...}} of a push, `json` the object.
std::string aux_line(std::string_view tag, std::string_view digest, std::uint64_t size);

/// ASCII comparison without case, as members of Docker's documents are matched.
bool equal_names(std::string_view one, std::string_view other);

}  // namespace sockerless::local
