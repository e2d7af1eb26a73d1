#pragma once

#include <string>
#include <vector>

#include "backends/local/monitor/os.hpp"

namespace sockerless::local {

/// What the daemon asks of a container's monitor.
struct MonitorOptions {
  std::string id;                     ///< the container's name at the runtime
  std::vector<std::string> runtime;   ///< the runtime with its global options
  std::string oom_file;               ///< the cgroup file with a line "oom_kill N"; empty: unknown
  std::vector<std::string> unmounts;  ///< unmounted when the run is over
  std::string state;                  ///< the runtime's folder for this container
  std::vector<std::string> cgroups;   ///< every folder its control group may have
  unsigned long long log_size = 0;    ///< bytes in a part of the log; 0: it grows without end
  unsigned log_files = 1;             ///< parts that are kept
  bool tty = false;
  bool open_stdin = false;
  int start_timeout_ms = 60'000;
  int channel = -1;  ///< the daemon's socket, watching from the start
};

/// Runs one container to its end in the current directory. @return the exit status of the monitor.
int monitor_container(const MonitorOptions& options);

}  // namespace sockerless::local
