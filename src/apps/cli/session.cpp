#include "apps/cli/session.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <unistd.h>

#include "apps/cli/output.hpp"
#include "apps/cli/terminal.hpp"
#include "base/error.hpp"

namespace sockerless::cli {

struct Session::Impl {
  Daemon& daemon;
  std::unique_ptr<ByteStream> stream;
  Framing framing;
  bool interactive;
  std::string resize_target;
  BlockingPool stdin_thread{1};
};

namespace {

Task<void> forward_stdin(BlockingPool& pool, ByteStream& stream) {
  std::vector<std::byte> buffer(64UL * 1024);
  for (;;) {
    const ssize_t count = co_await run_blocking(pool, [&buffer] { return ::read(STDIN_FILENO, buffer.data(), buffer.size()); });
    if (count <= 0) break;
    co_await stream.write(std::span(buffer).first(static_cast<std::size_t>(count)));
  }
  co_await stream.close_write();
}

Task<void> forward_output(ByteStream& stream, Framing framing) {
  Output output(framing);
  std::vector<std::byte> buffer(64UL * 1024);
  while (const std::size_t count = co_await stream.read_some(buffer)) output.write(std::span(buffer).first(count));
}

/// Input is over before output in most runs: its end, or its failure once the process is gone, is not the session's.
Task<void> forward_stdin_quietly(BlockingPool& pool, ByteStream& stream) {
  try {
    co_await forward_stdin(pool, stream);
  } catch (const Error& closed) {
    std::ignore = closed;  // the process has closed its input or ended: the output says the rest
  }
}

Task<void> pass_size(Daemon& daemon, std::string target) {
  const auto size = terminal_size();
  if (!size) co_return;
  try {
    co_await daemon.post(target + query_of({{"h", std::to_string(size->height)}, {"w", std::to_string(size->width)}}));
  } catch (const Error& gone) {
    std::ignore = gone;  // it has ended meanwhile: there is nothing left to resize
  }
}

}  // namespace

Session::Session(Daemon& daemon, std::unique_ptr<ByteStream> stream, Framing framing, bool interactive, std::string resize_target)
    : impl_(new Impl{daemon, std::move(stream), framing, interactive, std::move(resize_target)}) {}
Session::~Session() = default;

Task<void> Session::resize() {
  if (impl_->framing != Framing::raw || !terminal_size()) co_return;
  co_await pass_size(impl_->daemon, impl_->resize_target);
}

Task<void> Session::copy() {
  TaskGroup background;
  const auto executor = co_await asio::this_coro::executor;
  if (impl_->interactive) background.spawn("standard input", executor, forward_stdin_quietly(impl_->stdin_thread, *impl_->stream));
  boost::asio::signal_set resized(executor, SIGWINCH);
  if (impl_->framing == Framing::raw) {
    background.spawn("terminal size", executor, [](boost::asio::signal_set& signals, Impl& impl) -> Task<void> {
      for (;;) {
        co_await signals.async_wait(asio::use_awaitable);
        co_await pass_size(impl.daemon, impl.resize_target);
      }
    }(resized, *impl_));
  }
  co_await forward_output(*impl_->stream, impl_->framing);
  // `background` is not joined: its reader of standard input cannot be, and leave() follows.
  impl_->stream->close();
}

void leave(int exit_code) {
  std::fflush(stdout);
  std::fflush(stderr);
  std::_Exit(exit_code);
}

}  // namespace sockerless::cli
