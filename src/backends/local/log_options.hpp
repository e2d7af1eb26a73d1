#pragma once

#include <cstdint>
#include <optional>

#include "api/types.hpp"

namespace sockerless::local {

/// How much of a container's output is kept: `files` parts of `size` bytes.
struct LogLimit {
  std::uint64_t size = 0;
  unsigned files = 1;
};

/// max-size and max-file of the container's log options; nothing: all is kept.
/// @errors internal in dockerd's words.
std::optional<LogLimit> log_limit_of(const api::HostConfig& host);

}  // namespace sockerless::local
