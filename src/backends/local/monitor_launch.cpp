#include "backends/local/monitor_launch.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <sys/wait.h>

#include "backends/local/log_options.hpp"
#include "backends/local/monitor_channel.hpp"
#include "backends/local/mount_sources.hpp"
#include "backends/local/overlay.hpp"
#include "base/child_process.hpp"

namespace sockerless::local {

namespace {

constexpr std::uint64_t kLeastLogKept = 8UL << 20;
constexpr std::uint64_t kLogParts = 8;

std::vector<std::string> monitor_command(const MonitorProgram& monitor, std::string_view mode, const std::string& id,
                                         const std::string& directory, int channel) {
  return {monitor.path,
          std::string(mode),
          "--id=" + id,
          "--dir=" + directory,
          fmt::format("--timeout-ms={}", monitor.runtime_timeout.count()),
          fmt::format("--channel={}", channel)};
}

Launched blocking_launch(std::vector<std::string> command, const OciRuntime& runtime, ChannelPair channel) {
  command.emplace_back("--");
  command.insert(command.end(), runtime.command.begin(), runtime.command.end());
  const pid_t pid = blocking_spawn(command, channel.monitors.get());
  return {std::move(channel.ours), pid};
}

}  // namespace

Launched blocking_launch_run(const MonitorProgram& monitor, const OciRuntime& runtime, const CgroupHost& cgroups, const WorkloadSpec& spec,
                             const std::string& directory) {
  ChannelPair channel = make_channel_pair();
  const std::string group = container_cgroup(spec.id.str());
  auto command = monitor_command(monitor, "run", spec.id.str(), directory, channel.monitors.get());
  // From its working directory, which may have been renamed by then.
  for (const char* target : kMountPoints) command.push_back(fmt::format("--unmount={}", target));
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    if (!needs_helper_mount(spec.mounts[i])) continue;
    command.push_back("--unmount=" + helper_mount_name(i) + ".part");
    command.push_back("--unmount=" + helper_mount_name(i));
  }
  if (const auto limit = log_limit_of(spec.host_config)) {
    // In fine parts, and not too little in all: an attached client that is a bit slow reads from the log too.
    const std::uint64_t kept = std::max(limit->size * limit->files, kLeastLogKept);
    command.push_back(fmt::format("--log-size={}", kept / kLogParts));
    command.push_back(fmt::format("--log-files={}", kLogParts));
  }
  command.push_back("--oom-file=" + cgroups.oom_file(group));
  // What a delete by the runtime would remove; only this container's processes may be in its control group then.
  if (!spec.host_config.pid_mode || spec.host_config.pid_mode->empty()) {
    command.push_back("--state=" + runtime.state + "/" + spec.id.str());
    for (const auto& folder : cgroups.directories(group)) command.push_back("--cgroup=" + folder);
  }
  if (spec.config.tty.value_or(false)) command.emplace_back("--tty");
  if (spec.config.open_stdin.value_or(false)) command.emplace_back("--stdin");
  return blocking_launch(std::move(command), runtime, std::move(channel));
}

Launched blocking_launch_exec(const MonitorProgram& monitor, const OciRuntime& runtime, const ContainerId& container, const ExecSpec& exec,
                              const std::string& directory, const std::string& process) {
  ChannelPair channel = make_channel_pair();
  auto command = monitor_command(monitor, "exec", container.str(), directory, channel.monitors.get());
  command.push_back("--name=" + exec.id.short_str());
  command.push_back("--process=" + process);
  if (exec.tty) command.emplace_back("--tty");
  if (exec.attach_stdin) command.emplace_back("--stdin");
  return blocking_launch(std::move(command), runtime, std::move(channel));
}

void blocking_reap(pid_t monitor) {
  int status = 0;
  while (monitor > 0 && ::waitpid(monitor, &status, 0) < 0 && errno == EINTR) {}
}

}  // namespace sockerless::local
