#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/unique_fd.hpp"

namespace sockerless {

namespace asio = boost::asio;

/// A coroutine that may wait. Runs on the executor it was spawned on, which is a strand or a single thread.
template <typename T = void>
using Task = asio::awaitable<T>;

/// Where new work goes. Each call gives an executor that runs one thing at a time.
using ExecutorSource = std::function<asio::any_io_executor()>;
/// A new strand of `executor` each time.
ExecutorSource strands_of(asio::any_io_executor executor);

/// Threads for whatever blocks: SQLite, files, name look-up, archives. I/O threads never block.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  asio::any_io_executor executor() { return pool_.get_executor(); }

 private:
  asio::thread_pool pool_;
};

namespace detail {
template <typename F>
Task<std::invoke_result_t<F>> call(F function) {
  co_return function();
}
}  // namespace detail

/// Calls `function` on the pool and resumes on the caller's executor with its result or exception. The call is not interrupted by
/// cancellation: it runs to its end, so it may use what the caller's frame owns.
template <typename F>
Task<std::invoke_result_t<F>> run_blocking(BlockingPool& pool, F function) {
  // Without the caller's slot: a cancellation that arrived on another of the pool's threads would end the process (co_spawn awaits once
  // more after its function, outside of any try).
  co_return co_await asio::co_spawn(pool.executor(), detail::call(std::move(function)),
                                    asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

/// The instant an operation must be done by; passed down, so that every step gets what is left of it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  static Deadline in(Clock::duration duration) { return Deadline(Clock::now() + duration); }
  static Deadline never() { return Deadline(Clock::time_point::max()); }
  Clock::time_point at() const { return at_; }
  bool is_never() const { return at_ == Clock::time_point::max(); }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

/// Waits for the given time. Cancellation: any.
Task<void> sleep_for(std::chrono::steady_clock::duration duration);

/// Runs `operation` and cancels it at the deadline. @errors deadline_exceeded with the text "`what` took too long".
Task<void> with_deadline(Task<void> operation, Deadline deadline, std::string what);

enum class First { one, other };

/// Runs both; when the first ends, the other is cancelled (`terminal`) and awaited. Rethrows the failure of the one that ended first.
Task<First> race(Task<void> one, Task<void> other);

/// Runs both to their ends, whatever happens to either; rethrows the first failure afterwards.
Task<void> both(Task<void> one, Task<void> other);

/// Runs a task to its end on a fresh single-threaded context: for main functions and tests.
void run_task(Task<void> task);
template <typename T>
T run(Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    run_task(std::move(task));
  } else {
    std::optional<T> result;
    run_task([](Task<T> inner, std::optional<T>* out) -> Task<void> { out->emplace(co_await std::move(inner)); }(std::move(task), &result));
    return std::move(*result);
  }
}

/// "Something changed": many coroutines wait, anybody notifies. The version makes a lost wake-up impossible: read it, look at the
/// state, then wait for a version other than the one read.
///
/// Threads: any. The waiters run on strands. Outlive the waiters.
class Signal {
 public:
  Signal();
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  std::uint64_t version() const;
  /// Returns as soon as version() != seen. Cancellation: terminal and total.
  Task<void> wait_changed(std::uint64_t seen);
  void notify();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the waiters: a wake-up may be in flight when the signal goes
};

/// Tasks that were started here and are joined here. Nothing is detached: each has a name, its failure is logged once.
///
/// Threads: any. join() ends when every task has ended.
class TaskGroup {
 public:
  TaskGroup();
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(std::string_view name, asio::any_io_executor executor, Task<void> task);
  /// Emits the cancellation to every task that runs, each on its own executor.
  void cancel(asio::cancellation_type type);
  std::size_t size() const;
  /// Waits until no task runs.
  Task<void> join();
  /// Asks (`total`), waits at most `grace`, then forces (`terminal`) and joins.
  Task<void> stop(std::chrono::steady_clock::duration grace);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the running tasks, which report their end to it
};

}  // namespace sockerless
