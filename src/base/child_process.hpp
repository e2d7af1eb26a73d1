#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.hpp"

// Other programs, started by an argument vector: no shell ever reads what we pass on.

namespace sockerless {

/// How a program that was run to its end ended.
struct ProgramResult {
  int exit_code = 0;  ///< 128 + n when a signal ended it
  bool timed_out = false;
  std::string output;  ///< standard output, at most 4 MiB
  std::string error;   ///< standard error, the same
};

/// What a child gets as 0, 1 and 2; -1: /dev/null.
struct ChildStreams {
  int input = -1;
  int output = -1;
  int error = -1;
};

/// Runs a program without a shell, reads its output, kills it (and what it started) when it takes too long. Blocks.
/// @param input  its standard input, at most 4096 bytes; empty: /dev/null.
/// @errors from_errno when it cannot be started.
ProgramResult blocking_run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout,
                                   std::string_view input = {});

/// Starts a program in a session of its own with /dev/null as 0, 1 and 2, `inherited` as the same number in the child and nothing else.
/// @errors from_errno.
pid_t blocking_spawn(const std::vector<std::string>& arguments, int inherited);

/// The same with these streams and nothing else. The caller reaps it.
pid_t blocking_spawn(const std::vector<std::string>& arguments, const ChildStreams& streams);
/// The same with this environment ("NAME=value") in place of this process's. Unlike arguments, it is not for every user to read.
pid_t blocking_spawn(const std::vector<std::string>& arguments, const ChildStreams& streams, const std::vector<std::string>& environment);

/// What a shell would show for a status of waitpid(2): 128 + n when a signal ended it.
int exit_code_of(int wait_status);

/// The path of a program: as it is when it has a slash, else looked up in PATH and the usual system folders. Empty: not found.
std::string find_program(const std::string& name);
/// The same in the folders of `path` ("/a:/b") only.
std::string find_program(const std::string& name, std::string_view path);

}  // namespace sockerless
