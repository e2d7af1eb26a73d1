#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.hpp"

namespace sockerless::local {

/// How a program that was run to its end ended.
struct ProgramResult {
  int exit_code = 0;  ///< 128 + n when a signal ended it
  bool timed_out = false;
  std::string output;  ///< standard output, at most 4 MiB
  std::string error;   ///< standard error, the same
};

/// Runs a program without a shell, reads its output, kills it when it takes too long. Blocks.
/// @errors from_errno when it cannot be started.
ProgramResult blocking_run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout);

/// Starts a program in a session of its own with /dev/null as 0 and 2, `inherited` as the same number in the child and nothing else.
/// @errors from_errno.
pid_t blocking_spawn(const std::vector<std::string>& arguments, int inherited);

/// The path of a program: as it is when it has a slash, else looked up in PATH and the usual system folders. Empty: not found.
std::string find_program(const std::string& name);

}  // namespace sockerless::local
