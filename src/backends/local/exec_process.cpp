#include "backends/local/exec_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <tuple>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

using Descriptor = asio::posix::stream_descriptor;

class DescriptorStdin final : public StdinWriter {
 public:
  DescriptorStdin(const asio::any_io_executor& executor, UniqueFd fd, bool tty) : stream_(executor, fd.release()), tty_(tty) {
    stream_.non_blocking(true);
  }

  Task<void> write(std::span<const std::byte> input) override {
    boost::system::error_code error;
    co_await asio::async_write(stream_, asio::buffer(input.data(), input.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw Error::cancelled();
    if (error) throw Error(ErrorCode::unavailable, "the process has closed its stdin", error.message());
  }

  Task<void> close() override {
    boost::system::error_code ignored;  // closing is the end: there is nobody to tell
    if (!tty_) stream_.close(ignored);
    co_return;
  }

 private:
  Descriptor stream_;
  const bool tty_;  // a terminal has no end of input of its own
};

class LocalExecProcess final : public ExecProcess {
 public:
  LocalExecProcess(const asio::any_io_executor& executor, std::int64_t pid, ExecStreams streams, std::shared_ptr<ExecEnd> end)
      : pid_(pid), tty_(streams.tty), end_(std::move(end)), control_(std::move(streams.control)) {
    const std::size_t expected = tty_ ? 1 : streams.has_stdin ? 3 : 2;
    if (streams.descriptors.size() != expected) throw Error::internal("the monitor of an exec sent the wrong number of descriptors");
    std::size_t next = 0;
    if (streams.has_stdin) {
      UniqueFd fd = tty_ ? UniqueFd(::fcntl(streams.descriptors[0].get(), F_DUPFD_CLOEXEC, 3)) : std::move(streams.descriptors[next++]);
      stdin_.emplace(executor, std::move(fd), tty_);
    }
    if (tty_) terminal_.reset(::fcntl(streams.descriptors[0].get(), F_DUPFD_CLOEXEC, 3));
    outputs_[0].emplace(executor, streams.descriptors[next++].release());
    if (!tty_) outputs_[1].emplace(executor, streams.descriptors[next].release());
    for (auto& output : outputs_) {
      if (output) output->non_blocking(true);
    }
  }

  std::int64_t pid() const override { return pid_; }
  StdinWriter* standard_input() override { return stdin_ ? &*stdin_ : nullptr; }

  Task<std::optional<LogRecord>> read() override {
    while (outputs_[0] || outputs_[1]) {
      for (std::size_t turn = 0; turn < outputs_.size(); ++turn) {
        const std::size_t which = (first_ + turn) % outputs_.size();
        if (auto record = try_read(which)) {
          first_ = which + 1;  // the other stream is looked at first next time
          co_return record;
        }
      }
      if (outputs_[0] && outputs_[1]) {
        co_await race(wait_readable(*outputs_[0]), wait_readable(*outputs_[1]));
      } else if (auto& only = outputs_[0] ? outputs_[0] : outputs_[1]) {
        co_await wait_readable(*only);
      }
    }
    co_return std::nullopt;
  }

  Task<void> resize(TerminalSize size) override {
    if (!tty_) throw Error::invalid_argument("the process has no terminal");
    winsize native{};
    native.ws_row = size.height;
    native.ws_col = size.width;
    if (::ioctl(terminal_.get(), TIOCSWINSZ, &native) != 0) throw from_errno(errno, "resize the terminal");
    co_return;
  }

  /// By the monitor, whose child it is: nobody else can be sure that the pid is still this process.
  Task<void> kill() override {
    Message message;
    message.kind = MessageKind::signal;
    message.a = SIGKILL;
    // A monitor that is gone has seen the end of its process.
    std::ignore = ::send(control_.get(), &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
    co_return;
  }

  Task<int> wait() override {
    for (;;) {
      const std::uint64_t seen = end_->changed.version();
      if (const auto code = end_->exit_code.read([](const auto& exit_code) { return exit_code; })) co_return *code;
      co_await end_->changed.wait_changed(seen);
    }
  }

 private:
  static Task<void> wait_readable(Descriptor& descriptor) { co_await descriptor.async_wait(Descriptor::wait_read, asio::use_awaitable); }

  std::optional<LogRecord> try_read(std::size_t which) {
    auto& output = outputs_[which];
    if (!output) return std::nullopt;
    const ssize_t count = ::read(output->native_handle(), buffer_.data(), buffer_.size());
    if (count > 0) {
      return LogRecord{which == 0 ? StdStream::out : StdStream::err, system_clock().now(),
                       std::span<const std::byte>(buffer_).first(static_cast<std::size_t>(count))};
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    output.reset();  // the end; a terminal whose process has gone says EIO
    return std::nullopt;
  }

  const std::int64_t pid_;
  const bool tty_;
  const std::shared_ptr<ExecEnd> end_;
  const UniqueFd control_;
  std::optional<DescriptorStdin> stdin_;
  std::array<std::optional<Descriptor>, 2> outputs_;
  UniqueFd terminal_;  // for resize, which comes from other strands than read
  std::size_t first_ = 0;
  std::array<std::byte, 64UL * 1024> buffer_;
};

}  // namespace

std::unique_ptr<ExecProcess> make_exec_process(asio::any_io_executor executor, std::int64_t pid, ExecStreams streams,
                                               std::shared_ptr<ExecEnd> end) {
  return std::make_unique<LocalExecProcess>(executor, pid, std::move(streams), std::move(end));
}

}  // namespace sockerless::local
