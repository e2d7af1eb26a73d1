#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/wire.hpp"

namespace sockerless::differential {

/// One request of the script and what came of it, as text in which only what no two runs share is replaced.
struct Line {
  std::string request;
  std::string answer;
};

/// Plays the script against the daemon at a socket, which must have the image "busybox". What it makes it removes, so that it can be played
/// again. @errors as the daemon is: a request without an answer ends it.
std::vector<Line> play(const std::string& socket_path);

}  // namespace sockerless::differential
