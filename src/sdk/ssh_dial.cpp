// One ssh process a connection, its standard input and output are the stream.
//
// Socket pairs instead of pipes, one a direction: writing to a socket whose reader has gone is an error, to a pipe it is a signal that
// would end a program that has not asked to ignore it; and each direction ends by itself. Standard error is a sealed piece of memory of a
// fixed size: nobody has to drain it, and a talkative ssh meets its end instead of blocking.

#include "sdk/ssh_dial.hpp"

#include <array>
#include <cerrno>
#include <csignal>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "sdk/ssh_target.hpp"

namespace sockerless {

namespace {

using Socket = asio::local::stream_protocol::socket;

constexpr off_t kMaxErrorText = 16L * 1024;
constexpr std::chrono::seconds kExitPatience{5};

struct SocketPair {
  UniqueFd ours;
  UniqueFd childs;
};

SocketPair make_socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw from_errno(errno, "socketpair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd make_error_memory() {
  UniqueFd memory(::memfd_create("ssh-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) throw from_errno(errno, "memfd_create");
  if (::ftruncate(memory.get(), kMaxErrorText) != 0 || ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    throw from_errno(errno, "prepare the memory for ssh's messages");
  }
  return memory;
}

/// What was written to the memory, on one line. The offset is shared with the child, so it is the length.
std::string error_text(int memory) {
  const off_t length = ::lseek(memory, 0, SEEK_CUR);
  std::string text(static_cast<std::size_t>(std::max<off_t>(length, 0)), '\0');
  const ssize_t count = ::pread(memory, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  for (std::size_t at = 0; (at = text.find_first_of("\r\n", at)) != std::string::npos;) {
    const std::size_t end = text.find_first_not_of("\r\n", at);
    text.replace(at, std::min(end, text.size()) - at, "; ");
  }
  return text;
}

/// A child process that is killed, with what it started, and reaped at the latest when its owner goes. Reaping waits, but only for a
/// process that SIGKILL has ended already.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void terminate() const {
    if (pid_ > 0) ::kill(-pid_, SIGTERM);
  }
  /// Waits for its end; a read and a write may both do so. @return what a shell would show.
  Task<int> wait(Deadline deadline) {
    if (pid_ <= 0) co_return exit_code_;
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd < 0) throw from_errno(errno, "pidfd_open");
    asio::posix::stream_descriptor handle(co_await asio::this_coro::executor, pidfd);
    co_await with_deadline(readable(handle), deadline, "the end of ssh");
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      exit_code_ = exit_code_of(status);
    }
    co_return exit_code_;
  }

 private:
  static Task<void> readable(asio::posix::stream_descriptor& handle) {
    boost::system::error_code error;
    co_await handle.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, error));
    if (error) throw Error::cancelled();
  }

  pid_t pid_;
  int exit_code_ = 0;
};

class SshStream final : public ByteStream {
 public:
  SshStream(const asio::any_io_executor& executor, std::string name, UniqueFd input, UniqueFd output, UniqueFd error, pid_t pid)
      : name_(std::move(name)),
        input_(executor, asio::local::stream_protocol(), input.release()),
        output_(executor, asio::local::stream_protocol(), output.release()),
        error_(std::move(error)),
        child_(pid) {}

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    boost::system::error_code error;
    const std::size_t count =
        co_await output_.async_read_some(asio::buffer(buffer.data(), buffer.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) throw Error::cancelled();
    if (count > 0) received_anything_ = true;
    if (count == 0 && !received_anything_) co_await explain_silence();
    co_return count;
  }

  Task<void> write(std::span<const std::byte> data) override {
    boost::system::error_code error;
    co_await asio::async_write(input_, asio::buffer(data.data(), data.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) throw Error::cancelled();
    if (!error) co_return;
    if (!received_anything_) co_await explain_silence();
    throw Error(ErrorCode::unavailable, fmt::format("{}: ssh has closed the connection", name_), error_text(error_.get()));
  }

  Task<void> close_write() override {
    boost::system::error_code ignored;  // a child that is gone already needs no end-of-file
    input_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }

  void close() override {
    boost::system::error_code ignored;  // closing is the end: there is nobody to tell
    input_.close(ignored);
    output_.close(ignored);
    child_.terminate();
  }

 private:
  /// ssh ended before a byte came: the exit code and ssh's words say why.
  Task<void> explain_silence() {
    int exit_code = 0;
    try {
      exit_code = co_await child_.wait(Deadline::in(kExitPatience));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::deadline_exceeded) throw;  // its streams are closed, but it lives: nothing to explain
    }
    if (exit_code == 0) co_return;
    const std::string words = error_text(error_.get());
    const std::string_view hint = exit_code == 127 ? " (is the docker command installed on the far side?)" : "";
    throw Error::unavailable("cannot connect to {}: ssh ended with exit code {}{}{}{}", name_, exit_code, words.empty() ? "" : ": ", words,
                             hint);
  }

  const std::string name_;
  Socket input_;
  Socket output_;
  const UniqueFd error_;
  Child child_;
  bool received_anything_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_ssh_stream(asio::any_io_executor executor, const Endpoint& endpoint, const HostEnvironment& environment,
                                            const SshOptions& options) {
  check_ssh_endpoint(endpoint);
  const std::string program = find_program(options.program, environment.variable("PATH").value_or(""));
  if (program.empty()) throw Error::not_found("{} needs an ssh client, and there is no {} in PATH", endpoint.str(), options.program);
  SocketPair input = make_socket_pair();
  SocketPair output = make_socket_pair();
  UniqueFd error = make_error_memory();
  const pid_t pid = blocking_spawn(ssh_command(program, endpoint, static_cast<unsigned>(options.connect_timeout.count())),
                                   {.input = input.childs.get(), .output = output.childs.get(), .error = error.get()});
  return std::make_unique<SshStream>(executor, endpoint.str(), std::move(input.ours), std::move(output.ours), std::move(error), pid);
}

}  // namespace sockerless
