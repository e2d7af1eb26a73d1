#include "base/program.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/error.hpp"

namespace sockerless {

namespace {

std::size_t thread_count(std::size_t wanted) {
  if (wanted > 0) return wanted;
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

struct Program::Impl {
  explicit Impl(std::size_t io_threads) {
    for (std::size_t i = 0; i < thread_count(io_threads); ++i) contexts.push_back(std::make_unique<asio::io_context>(1));
    stop_signals.emplace(*contexts.front(), SIGTERM, SIGINT);
  }

  std::vector<std::unique_ptr<asio::io_context>> contexts;  // one a thread, the first being the main thread's
  std::atomic<std::size_t> next = 0;
  std::optional<asio::signal_set> stop_signals;
  // Threads of the pool mostly sleep in system calls: a few more than there are cores.
  BlockingPool blocking_pool{8};
};

Program::Program(std::size_t io_threads) : impl_(std::make_unique<Impl>(io_threads)) {}
Program::~Program() = default;

asio::any_io_executor Program::executor() { return impl_->contexts.front()->get_executor(); }

ExecutorSource Program::executors() {
  return [this]() -> asio::any_io_executor { return impl_->contexts[impl_->next++ % impl_->contexts.size()]->get_executor(); };
}

BlockingPool& Program::blocking_pool() { return impl_->blocking_pool; }

Task<void> Program::until_stop_signal() {
  co_await impl_->stop_signals->async_wait(asio::use_awaitable);
  impl_->stop_signals->async_wait([](const boost::system::error_code& error, int number) {
    if (!error) std::_Exit(128 + number);
  });
}

int Program::run(const std::function<Task<void>(Program&)>& main) {
  std::signal(SIGPIPE, SIG_IGN);
  std::exception_ptr failure;
  asio::io_context& first = *impl_->contexts.front();
  asio::co_spawn(first, main(*this), [this, &failure](std::exception_ptr result) {
    failure = std::move(result);
    impl_->stop_signals->cancel();
  });
  {
    std::vector<std::jthread> others;
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> busy;  // they go before the threads, which end then
    for (std::size_t i = 1; i < impl_->contexts.size(); ++i) {
      asio::io_context& context = *impl_->contexts[i];
      busy.emplace_back(context.get_executor());
      others.emplace_back([&context] { context.run(); });
    }
    first.run();
  }
  if (!failure) return 0;
  std::fprintf(stderr, "%s\n", error_of(failure).what());
  return 1;
}

}  // namespace sockerless
