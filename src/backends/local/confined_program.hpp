#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.hpp"

namespace sockerless::local {

struct ConfinedCommand {
  std::vector<std::string> arguments;    ///< the program's path first
  std::vector<std::string> environment;  ///< all of it: "PATH=/usr/bin"
};

/// Receives output, standard output and error in one.
using OutputTaker = std::function<Task<void>(std::string_view piece)>;

/// Runs a program in mount and process namespaces of its own, so that its end is the end of everything it started and mounted: when it
/// ends, when this is cancelled, and when this process dies. @return its exit code.
///
/// The caller keeps `pool` until this ends. Cancellation: terminal, total; everything is gone when this throws. @errors from_errno: it
/// cannot be started; what `take` throws.
Task<int> run_confined(BlockingPool* pool, ConfinedCommand command, OutputTaker take);

}  // namespace sockerless::local
