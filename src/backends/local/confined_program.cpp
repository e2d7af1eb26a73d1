#include "backends/local/confined_program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
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
  const pid_t pid = co_await run_blocking(*pool, [&] {
    return blocking_spawn(confining_arguments(command), {.input = -1, .output = output, .error = output}, command.environment);
  });
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
