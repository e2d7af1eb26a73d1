#include "base/task.hpp"

#include <algorithm>
#include <unordered_map>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless {

namespace {

Logger log("base");

auto as_operation(const asio::any_io_executor& executor, Task<void> task) {
  return asio::co_spawn(executor, std::move(task), asio::deferred);
}

void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

ExecutorSource strands_of(asio::any_io_executor executor) {
  return [executor = std::move(executor)]() -> asio::any_io_executor { return asio::make_strand(executor); };
}

BlockingPool::BlockingPool(std::size_t threads) : pool_(threads) {}

BlockingPool::~BlockingPool() { pool_.join(); }

Task<void> sleep_for(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

Task<First> race(Task<void> one, Task<void> other) {
  const auto executor = co_await asio::this_coro::executor;
  auto [order, failure_one, failure_other] =
      co_await asio::experimental::make_parallel_group(as_operation(executor, std::move(one)), as_operation(executor, std::move(other)))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const bool one_first = order[0] == 0;
  rethrow(one_first ? failure_one : failure_other);
  co_return one_first ? First::one : First::other;
}

Task<void> both(Task<void> one, Task<void> other) {
  const auto executor = co_await asio::this_coro::executor;
  auto [order, failure_one, failure_other] =
      co_await asio::experimental::make_parallel_group(as_operation(executor, std::move(one)), as_operation(executor, std::move(other)))
          .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  rethrow(order[0] == 0 ? failure_one : failure_other);
  rethrow(order[0] == 0 ? failure_other : failure_one);
}

namespace {

Task<void> sleep_until(Deadline deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline.at());
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

Task<void> with_deadline(Task<void> operation, Deadline deadline, std::string what) {
  if (deadline.is_never()) {
    co_await std::move(operation);
    co_return;
  }
  if (co_await race(std::move(operation), sleep_until(deadline)) == First::other) {
    throw Error::deadline_exceeded("{} took too long", what);
  }
}

void run_task(Task<void> task) {
  asio::io_context context(1);
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(task), [&failure](std::exception_ptr result) { failure = std::move(result); });
  context.run();
  rethrow(failure);
}

// ---- Signal

namespace {

struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : timer(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer timer;  // touched on its own executor only
  bool notified = false;     // same
};

}  // namespace

struct Signal::State {
  mutable std::mutex mutex;
  std::uint64_t version = 0;
  std::vector<std::shared_ptr<Waiter>> waiters;
};

Signal::Signal() : state_(std::make_shared<State>()) {}
Signal::~Signal() = default;

std::uint64_t Signal::version() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->version;
}

Task<void> Signal::wait_changed(std::uint64_t seen) {
  const auto state = state_;
  const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  {
    const std::scoped_lock lock(state->mutex);
    if (state->version != seen) co_return;
    state->waiters.push_back(waiter);
  }
  boost::system::error_code ignored;  // a wake-up is an abort of the timer; `notified` tells it from a cancellation
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (waiter->notified) co_return;
  const std::scoped_lock lock(state->mutex);
  std::erase(state->waiters, waiter);
  throw Error::cancelled();
}

void Signal::notify() {
  std::vector<std::shared_ptr<Waiter>> woken;
  {
    const std::scoped_lock lock(state_->mutex);
    ++state_->version;
    woken.swap(state_->waiters);
  }
  for (auto& waiter : woken) {
    // Posted to the waiter's strand, so it runs after the waiter has suspended. Moved there: the timer must not outlive its context here.
    // The context itself counts this as work: the waiter may be the last that ran in it, and it must not end while post() is inside it.
    const asio::any_io_executor executor = asio::prefer(waiter->timer.get_executor(), asio::execution::outstanding_work.tracked);
    asio::post(executor, [woken_one = std::move(waiter)] {
      woken_one->notified = true;
      woken_one->timer.cancel();
    });
  }
}

// ---- TaskGroup

namespace {

struct RunningTask {
  std::string name;
  asio::any_io_executor executor;
  std::shared_ptr<asio::cancellation_signal> cancellation;
};

}  // namespace

struct TaskGroup::State {
  mutable std::mutex mutex;
  std::uint64_t next_id = 0;
  std::unordered_map<std::uint64_t, RunningTask> running;
  Signal ended;
};

TaskGroup::TaskGroup() : state_(std::make_shared<State>()) {}
TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(std::string_view name, asio::any_io_executor executor, Task<void> task) {
  auto cancellation = std::make_shared<asio::cancellation_signal>();
  std::uint64_t id = 0;
  {
    const std::scoped_lock lock(state_->mutex);
    id = state_->next_id++;
    state_->running.emplace(id, RunningTask{std::string(name), executor, cancellation});
  }
  asio::co_spawn(executor, std::move(task),
                 asio::bind_cancellation_slot(cancellation->slot(), [state = state_, id, cancellation](const std::exception_ptr& failure) {
                   std::string finished;
                   {
                     const std::scoped_lock lock(state->mutex);
                     const auto it = state->running.find(id);
                     finished = std::move(it->second.name);
                     state->running.erase(it);
                   }
                   if (failure) {
                     const Error error = error_of(failure);
                     if (error.code() != ErrorCode::cancelled) log.error("task failed name={} error={}", finished, error.what());
                   }
                   state->ended.notify();
                 }));
}

void TaskGroup::cancel(asio::cancellation_type type) {
  const std::scoped_lock lock(state_->mutex);
  for (const auto& [id, task] : state_->running) {
    asio::post(task.executor, [cancellation = task.cancellation, type] { cancellation->emit(type); });
  }
}

std::size_t TaskGroup::size() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->running.size();
}

Task<void> TaskGroup::join() {
  for (;;) {
    const std::uint64_t seen = state_->ended.version();
    if (size() == 0) co_return;
    co_await state_->ended.wait_changed(seen);
  }
}

Task<void> TaskGroup::stop(std::chrono::steady_clock::duration grace) {
  cancel(asio::cancellation_type::total);
  if (co_await race(join(), sleep_for(grace)) == First::one) co_return;
  cancel(asio::cancellation_type::terminal);
  co_await join();
}

}  // namespace sockerless

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Asio's executors count their references with atomic_thread_fence, which ThreadSanitizer does not follow: it takes the last owner's
// delete for a race with the other owners' decrements. An exception that is handed from thread to thread counts its references inside
// libstdc++, which is not instrumented: the same mistake. In this file because every program links it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:boost::asio::execution::detail::shared_target_executor\n"
         "race:std::__exception_ptr::exception_ptr::_M_release\n";
}
#endif
#endif
