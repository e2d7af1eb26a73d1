#include "backends/local/confined_program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>

#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/byte_stream.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace {

std::string required_program(const std::string& name) {
  std::string path = find_program(name);
  if (path.empty()) throw Error::unavailable("the program {} is not installed on this machine", name);
  return path;
}

/// setpriv: the kernel ends it when this process dies. unshare: its child is the first process of the new namespace and dies with it, and
/// the namespace with that.
std::vector<std::string> confining_arguments(const ConfinedCommand& command) {
  std::vector<std::string> all{required_program("setpriv"), "--pdeathsig", "KILL", "--", required_program("unshare")};
  for (const char* word : {"--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"}) all.emplace_back(word);
  all.insert(all.end(), command.arguments.begin(), command.arguments.end());
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In a session of its own, with `output` as 1 and 2 and no other descriptor. The environment is given to the kernel and not to env(1):
/// arguments are for every user of the machine to read.
pid_t blocking_start(ConfinedCommand command, int output) {
  std::vector<std::string> arguments = confining_arguments(command);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> variable_pointers = pointers_to(command.environment);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  for (const int target : {1, 2}) posix_spawn_file_actions_adddup2(&actions, output, target);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  const int failure = ::posix_spawn(&pid, argument_pointers[0], &actions, &attributes, argument_pointers.data(), variable_pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) throw from_errno(failure, "run " + arguments[0]);
  return pid;
}

pid_t first_child(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", pid));
  pid_t child = 0;
  return file >> child ? child : 0;
}

int blocking_reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw from_errno(errno, "wait for a program");
  }
  return exit_code_of(status);
}

/// The namespace's first process goes first: unshare(1) ends once all of the namespace has.
void blocking_end(pid_t pid) {
  const pid_t child = first_child(pid);
  ::kill(child > 0 ? child : pid, SIGKILL);
  blocking_reap(pid);
}

}  // namespace

Task<int> run_confined(BlockingPool* pool, ConfinedCommand command, OutputTaker take) {
  Pipe pipe = make_pipe();
  const int output = pipe.write_end.get();
  const pid_t pid = co_await run_blocking(*pool, [&] { return blocking_start(std::move(command), output); });
  pipe.write_end.reset();
  std::exception_ptr failure;
  try {
    const auto stream = make_fd_stream(co_await asio::this_coro::executor, std::move(pipe.read_end), UniqueFd());
    std::array<std::byte, 16UL * 1024> buffer{};
    for (auto count = co_await stream->read_some(buffer); count > 0; count = co_await stream->read_some(buffer)) {
      co_await take(as_text(std::span(buffer).first(count)));
    }
    // Cancellation stays on: it comes once, and what our caller does next must see it.
    co_return co_await run_blocking(*pool, [pid] { return blocking_reap(pid); });
  } catch (...) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await run_blocking(*pool, [pid] { blocking_end(pid); });
  std::rethrow_exception(failure);
}

}  // namespace sockerless::local
