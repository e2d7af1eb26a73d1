#include "base/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): not in every libc's header

namespace sockerless {

namespace {

constexpr std::size_t kMaxOutput = 4UL * 1024 * 1024;
constexpr std::size_t kMaxInput = 4096;
using Clock = std::chrono::steady_clock;

/// As the C library takes texts: it does not change them.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// posix_spawn's two objects.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void null(int target) { posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDWR, 0); }
  /// What some other code of this process has opened without close-on-exec stays ours. Last of the actions.
  void close_the_rest() { posix_spawn_file_actions_addclosefrom_np(&actions_, 3); }
  void pass(int fd, int target) { posix_spawn_file_actions_adddup2(&actions_, fd, target); }

  pid_t run(const std::vector<std::string>& arguments, char** variables = environ) {
    const std::vector<char*> pointers = pointers_to(arguments);
    pid_t pid = -1;
    if (const int failure = ::posix_spawn(&pid, pointers[0], &actions_, &attributes_, pointers.data(), variables); failure != 0) {
      throw from_errno(failure, "run " + arguments[0]);
    }
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// Reads both pipes until they end. @return false at the deadline.
bool read_both(UniqueFd& out, UniqueFd& error, ProgramResult& result, Clock::time_point deadline) {
  std::array<char, 16UL * 1024> buffer;
  while (out || error) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> entries = {{{out.get(), POLLIN, 0}, {error.get(), POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].revents == 0) continue;
      const ssize_t count = ::read(entries[i].fd, buffer.data(), buffer.size());
      std::string& text = i == 0 ? result.output : result.error;
      if (count > 0 && text.size() < kMaxOutput) text.append(buffer.data(), static_cast<std::size_t>(count));
      if (count == 0 || (count < 0 && errno != EINTR)) (i == 0 ? out : error).reset();
    }
  }
  return true;
}

/// The input lies in the pipe before there is a reader: writing later could meet a child that has gone, which is a signal.
Pipe make_filled_pipe(std::string_view input) {
  SOCKERLESS_ASSERT(input.size() <= kMaxInput, "what a program is told fits into a pipe");
  Pipe pipe = make_pipe();
  if (::write(pipe.write_end.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()))
    throw from_errno(errno, "write to a pipe");
  pipe.write_end.reset();
  return pipe;
}

bool wait_for_end(pid_t pid, int& status, Clock::time_point deadline) {
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd entry{handle.get(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(left));
  }
}

pid_t spawn_with(const std::vector<std::string>& arguments, const ChildStreams& streams, char** variables) {
  SpawnPlan plan;
  int target = 0;
  for (const int fd : {streams.input, streams.output, streams.error}) {
    SOCKERLESS_ASSERT(fd < 0 || fd > 2, "a stream that is one of the three would be overwritten by the one before it");
    if (fd < 0) {
      plan.null(target);
    } else {
      plan.pass(fd, target);
    }
    ++target;
  }
  plan.close_the_rest();
  return plan.run(arguments, variables);
}

}  // namespace

ProgramResult blocking_run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout, std::string_view input) {
  Pipe out = make_pipe();
  Pipe error = make_pipe();
  Pipe in;
  SpawnPlan plan;
  if (input.empty()) {
    plan.null(0);
  } else {
    in = make_filled_pipe(input);
    plan.pass(in.read_end.get(), 0);
  }
  plan.pass(out.write_end.get(), 1);
  plan.pass(error.write_end.get(), 2);
  plan.close_the_rest();
  const pid_t pid = plan.run(arguments);
  in = Pipe{};
  out.write_end.reset();
  error.write_end.reset();
  ProgramResult result;
  const auto deadline = Clock::now() + timeout;
  int status = 0;
  if (!read_both(out.read_end, error.read_end, result, deadline) || !wait_for_end(pid, status, deadline)) {
    result.timed_out = true;
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  result.exit_code = exit_code_of(status);
  return result;
}

pid_t blocking_spawn(const std::vector<std::string>& arguments, int inherited) {
  SpawnPlan plan;
  for (int fd = 0; fd < 3; ++fd) plan.null(fd);
  plan.pass(inherited, inherited);  // the same number: clears close-on-exec in the child alone
  return plan.run(arguments);
}

pid_t blocking_spawn(const std::vector<std::string>& arguments, const ChildStreams& streams) {
  return spawn_with(arguments, streams, environ);
}

pid_t blocking_spawn(const std::vector<std::string>& arguments, const ChildStreams& streams, const std::vector<std::string>& environment) {
  std::vector<char*> variables = pointers_to(environment);
  return spawn_with(arguments, streams, variables.data());
}

int exit_code_of(int wait_status) { return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status); }

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "";
  return find_program(name, folders + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

std::string find_program(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : std::string();
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, end)) + "/" + name;
    if (end > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

}  // namespace sockerless
