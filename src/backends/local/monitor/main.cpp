// sockerless-monitor: holds one container (run) or one exec (exec) for the daemon, and proves that a runtime works (probe).
// It is started by the daemon only; the arguments are an agreement between the two.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backends/local/monitor/container_monitor.hpp"
#include "backends/local/monitor/exec_monitor.hpp"

namespace {

using namespace sockerless::local;

/// The value of --name=value, or null.
const char* option(const char* argument, const char* name) {
  const std::size_t length = std::strlen(name);
  return std::strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : nullptr;
}

struct Arguments {
  MonitorOptions run;
  ExecOptions exec;
  std::string directory;
};

bool parse(int count, char** values, Arguments& arguments) {
  auto& run = arguments.run;
  auto& exec = arguments.exec;
  int i = 2;
  for (; i < count && std::strcmp(values[i], "--") != 0; ++i) {
    if (const char* id = option(values[i], "--id")) {
      run.id = exec.id = id;
    } else if (const char* directory = option(values[i], "--dir")) {
      arguments.directory = directory;
    } else if (const char* oom = option(values[i], "--oom-file")) {
      run.oom_file = oom;
    } else if (const char* unmount = option(values[i], "--unmount")) {
      run.unmounts.emplace_back(unmount);
    } else if (const char* log_size = option(values[i], "--log-size")) {
      run.log_size = std::strtoull(log_size, nullptr, 10);
    } else if (const char* log_files = option(values[i], "--log-files")) {
      run.log_files = static_cast<unsigned>(std::atoi(log_files));
    } else if (const char* state = option(values[i], "--state")) {
      run.state = state;
    } else if (const char* cgroup = option(values[i], "--cgroup")) {
      run.cgroups.emplace_back(cgroup);
    } else if (const char* timeout = option(values[i], "--timeout-ms")) {
      run.start_timeout_ms = exec.start_timeout_ms = std::atoi(timeout);
    } else if (const char* channel = option(values[i], "--channel")) {
      run.channel = exec.channel = std::atoi(channel);
    } else if (const char* name = option(values[i], "--name")) {
      exec.name = name;
    } else if (const char* process = option(values[i], "--process")) {
      exec.process = process;
    } else if (std::strcmp(values[i], "--tty") == 0) {
      run.tty = exec.tty = true;
    } else if (std::strcmp(values[i], "--stdin") == 0) {
      run.open_stdin = exec.open_stdin = true;
    } else {
      return false;
    }
  }
  for (++i; i < count; ++i) run.runtime.emplace_back(values[i]);
  exec.runtime = run.runtime;
  return !run.runtime.empty() && !run.id.empty() && !arguments.directory.empty() && run.channel > 2;
}

}  // namespace

int main(int count, char** values) {
  if (count >= 2 && std::strcmp(values[1], "probe") == 0) return 0;
  Arguments arguments;
  if (count < 3 || !parse(count, values, arguments)) {
    std::fputs("sockerless-monitor is started by the sockerless daemon\n", stderr);
    return 2;
  }
  // Nothing of the daemon's stays open here: who waits for the end of its output must not wait for a container.
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
  const int channel = arguments.run.channel;
  if (channel > 3) ::close_range(3, static_cast<unsigned>(channel) - 1, 0);
  ::close_range(static_cast<unsigned>(channel) + 1, ~0U, 0);
  ::fcntl(channel, F_SETFD, FD_CLOEXEC);
  if (::chdir(arguments.directory.c_str()) != 0) return 3;
  if (std::strcmp(values[1], "run") == 0) return monitor_container(arguments.run);
  if (std::strcmp(values[1], "exec") == 0) return monitor_exec(arguments.exec);
  return 2;
}
