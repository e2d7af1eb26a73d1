#include "sdk/runner.hpp"

#include <boost/asio/executor_work_guard.hpp>

namespace sockerless {

std::unique_ptr<asio::io_context> ContextPool::take() {
  std::unique_ptr<asio::io_context> context = idle_.write([](auto& idle) {
    std::unique_ptr<asio::io_context> last;
    if (!idle.empty()) {
      last = std::move(idle.back());
      idle.pop_back();
    }
    return last;
  });
  return context ? std::move(context) : std::make_unique<asio::io_context>(1);
}

void ContextPool::give_back(std::unique_ptr<asio::io_context> context) {
  // To the end of all work: what was closed still has to hear of it, and a thread of the blocking pool may not have let go of the context
  // although its result is here already.
  context->restart();
  context->run();
  idle_.write([&](auto& idle) {
    if (idle.size() < kMaxIdle) idle.push_back(std::move(context));
  });
}

void OwnThreadRunner::run(Task<void> task) {
  bool is_done = false;
  context_->restart();
  const auto running = asio::make_work_guard(*context_);
  asio::co_spawn(*context_, std::move(task), [&is_done](const std::exception_ptr&) { is_done = true; });
  while (!is_done) context_->run_one();
}

void SharedThreadRunner::run(Task<void> task) {
  const auto done = std::make_shared<std::promise<void>>();  // shared: the waiter may be gone before set_value has returned
  asio::co_spawn(thread_.executor(), std::move(task), [done](const std::exception_ptr&) { done->set_value(); });
  done->get_future().wait();
}

}  // namespace sockerless
