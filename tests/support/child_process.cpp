#include "tests/support/child_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "tests/support/spawn.hpp"

namespace sockerless::support {

namespace {

std::vector<std::string> merged_environment(const std::vector<std::string>& extra) {
  std::vector<std::string> merged = extra;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    if (std::ranges::none_of(extra, [&](const std::string& one) { return one.starts_with(name); })) merged.emplace_back(text);
  }
  return merged;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv, Stdio stdio, const std::vector<std::string>& extra_environment)
    : stdio_(stdio) {
  const std::vector<std::string> environment = merged_environment(extra_environment);
  std::vector<char*> pointers = pointers_of(environment);
  if (stdio == Stdio::pipes) {
    spawn_with_pipes(argv, pointers.data());
  } else {
    spawn_with_terminal(argv, pointers.data());
  }
}

void ChildProcess::spawn_with_pipes(const std::vector<std::string>& argv, char** environment) {
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  SpawnPlan plan;
  plan.use(in.read_end.get(), 0);
  plan.use(out.write_end.get(), 1);
  plan.use(err.write_end.get(), 2);
  pid_ = plan.spawn(argv, environment, 0);
  input_ = std::move(in.write_end);
  out_ = std::move(out.read_end);
  err_ = std::move(err.read_end);
}

void ChildProcess::spawn_with_terminal(const std::vector<std::string>& argv, char** environment) {
  int master = -1;
  int slave = -1;
  std::array<char, 128> name{};
  winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
  if (openpty(&master, &slave, name.data(), nullptr, &size) != 0) throw from_errno(errno, "open a terminal");
  out_ = UniqueFd(master);
  const UniqueFd slave_fd(slave);
  fcntl(master, F_SETFD, FD_CLOEXEC);
  fcntl(slave, F_SETFD, FD_CLOEXEC);
  SpawnPlan plan;
  plan.open(name.data(), 0);  // the first terminal that a session's leader opens becomes its controlling one
  plan.use(0, 1);
  plan.use(0, 2);
  pid_ = plan.spawn(argv, environment, POSIX_SPAWN_SETSID);
}

ChildProcess::~ChildProcess() {
  if (reaped_ || pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::write(std::string_view text) {
  const int fd = stdio_ == Stdio::pipes ? input_.get() : out_.get();
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "write to the process");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void ChildProcess::close_input() {
  if (stdio_ == Stdio::terminal) {
    write("\x04");
  } else {
    input_.reset();
  }
}

void ChildProcess::send_signal(int number) const { ::kill(pid_, number); }

void ChildProcess::resize_terminal(unsigned short rows, unsigned short columns) const {
  const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  if (ioctl(out_.get(), TIOCSWINSZ, &size) != 0) throw from_errno(errno, "resize the terminal");
}

void ChildProcess::take(UniqueFd& fd, std::string& into) {
  std::array<char, 64UL * 1024> buffer;
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    fd.reset();  // the end; a terminal whose other side is closed says EIO
  }
}

bool ChildProcess::pump_once(Clock::time_point deadline) {
  std::array<pollfd, 2> wanted{pollfd{.fd = out_ ? out_.get() : -1, .events = POLLIN, .revents = 0},
                               pollfd{.fd = err_ ? err_.get() : -1, .events = POLLIN, .revents = 0}};
  if (!out_ && !err_) return false;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) return false;
  const int ready = ::poll(wanted.data(), wanted.size(), static_cast<int>(std::min<std::int64_t>(left, 1'000'000)));
  if (ready < 0 && errno != EINTR) throw from_errno(errno, "poll");
  if (wanted[0].revents != 0) take(out_, output_.out);
  if (wanted[1].revents != 0) take(err_, output_.err);
  return true;
}

bool ChildProcess::read_until(std::string_view text, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!output_.out.contains(text) && !output_.err.contains(text)) {
    if (!pump_once(deadline)) return output_.out.contains(text) || output_.err.contains(text);
  }
  return true;
}

bool ChildProcess::has_ended() {
  if (reaped_) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  reaped_ = true;
  output_.exit_code = exit_code_of(status);
  return true;
}

std::optional<Output> ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (pump_once(deadline)) {}
  if (!wait_end(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()))) return std::nullopt;
  return output_;
}

bool ChildProcess::wait_end(std::chrono::milliseconds timeout) {
  if (has_ended()) return true;
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd wanted{.fd = handle.get(), .events = POLLIN, .revents = 0};
  ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(timeout.count(), 0)));
  return has_ended();
}

Output run_command(const std::vector<std::string>& argv, std::string_view input, const std::vector<std::string>& extra_environment,
                   std::chrono::milliseconds timeout) {
  ChildProcess process(argv, Stdio::pipes, extra_environment);
  // A writer of its own: a program that prints while it reads must not stop us.
  std::thread writer([&process, input] {
    try {
      process.write(input);
    } catch (const Error& ended) {
      std::ignore = ended;  // without reading everything: its exit code says what that means
    }
    process.close_input();
  });
  std::optional<Output> output = process.wait(timeout);
  if (!output) {
    process.send_signal(SIGKILL);
    output = process.wait(std::chrono::seconds(10));
  }
  writer.join();
  if (!output) return {.exit_code = -1, .out = process.out(), .err = process.err() + "\n(killed: it took too long)"};
  return *output;
}

}  // namespace sockerless::support
