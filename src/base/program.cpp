#include "base/program.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>

#include "base/error.hpp"

namespace sockerless {

namespace {

std::size_t thread_count(std::size_t wanted) {
  if (wanted > 0) return wanted;
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

struct Program::Impl {
  explicit Impl(std::size_t io_threads)
      : threads(thread_count(io_threads)), context(static_cast<int>(threads)), stop_signals(context, SIGTERM, SIGINT) {}

  const std::size_t threads;
  asio::io_context context;
  asio::signal_set stop_signals;
  // Threads of the pool mostly sleep in system calls: a few more than there are cores.
  BlockingPool blocking_pool{8};
};

Program::Program(std::size_t io_threads) : impl_(std::make_unique<Impl>(io_threads)) {}
Program::~Program() = default;

asio::any_io_executor Program::executor() { return impl_->context.get_executor(); }
bool Program::single_threaded() const { return impl_->threads == 1; }
BlockingPool& Program::blocking_pool() { return impl_->blocking_pool; }

Task<void> Program::until_stop_signal() {
  co_await impl_->stop_signals.async_wait(asio::use_awaitable);
  impl_->stop_signals.async_wait([](const boost::system::error_code& error, int number) {
    if (!error) std::_Exit(128 + number);
  });
}

int Program::run(const std::function<Task<void>(Program&)>& main) {
  std::signal(SIGPIPE, SIG_IGN);
  std::exception_ptr failure;
  asio::co_spawn(asio::make_strand(impl_->context), main(*this), [this, &failure](std::exception_ptr result) {
    failure = std::move(result);
    impl_->stop_signals.cancel();
  });
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < impl_->threads; ++i) others.emplace_back([this] { impl_->context.run(); });
    impl_->context.run();
  }
  if (!failure) return 0;
  std::fprintf(stderr, "%s\n", error_of(failure).what());
  return 1;
}

}  // namespace sockerless
