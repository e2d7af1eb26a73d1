#pragma once

#include <chrono>
#include <string>

#include <sys/types.h>

#include "backends/local/cgroups.hpp"
#include "backends/local/runtime_selection.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// What every monitor is started with.
struct MonitorProgram {
  std::string path;
  std::chrono::milliseconds runtime_timeout;  ///< how long the runtime may take
};

/// A monitor that was just started: our end of its channel and its pid, ours to reap.
struct Launched {
  UniqueFd channel;
  pid_t pid = 0;
};

/// Starts the monitor of a run; config.json is in `directory`, the root file system is mounted. May block.
Launched blocking_launch_run(const MonitorProgram& monitor, const OciRuntime& runtime, const CgroupHost& cgroups, const WorkloadSpec& spec,
                             const std::string& directory);

/// Starts the monitor of an exec. @param process  file with the OCI process document; the monitor removes it. May block.
Launched blocking_launch_exec(const MonitorProgram& monitor, const OciRuntime& runtime, const ContainerId& container, const ExecSpec& exec,
                              const std::string& directory, const std::string& process);

/// Takes the status of a monitor that has closed its channel with its last breath: this takes no time.
void blocking_reap(pid_t monitor);

}  // namespace sockerless::local
