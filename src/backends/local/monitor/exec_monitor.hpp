#pragma once

#include <string>
#include <vector>

namespace sockerless::local {

/// What the daemon asks of the monitor of one exec.
struct ExecOptions {
  std::string id;                    ///< the container's name at the runtime
  std::string name;                  ///< of this exec, for its short-lived files in the container's directory
  std::vector<std::string> runtime;  ///< the runtime with its global options
  std::string process;               ///< file with the OCI process document, removed here
  bool tty = false;
  bool open_stdin = false;
  int start_timeout_ms = 60'000;
  int channel = -1;
};

/// Runs a process in a running container and waits for its end.
///
/// The channel gets `started` with the daemon's ends as descriptors ([pty master] or [stdin if open,] stdout, stderr) or `failed`, takes
/// `signal`, and gets `exited`. The daemon holds the streams: when it dies the process meets a closed pipe, and the monitor reaps it.
int monitor_exec(const ExecOptions& options);

}  // namespace sockerless::local
