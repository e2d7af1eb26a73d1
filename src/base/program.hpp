#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/task.hpp"

namespace sockerless {

/// What a daemon's main function stands on: I/O threads, the blocking pool, the two stop signals.
///
/// Each I/O thread has an io_context of its own, so that work which stays on a thread wakes no other and takes no contended lock.
///
///   Program program(threads);
///   return program.run([](Program& p) -> Task<void> { ...; co_await p.until_stop_signal(); ...; });
class Program {
 public:
  /// @param io_threads  0: one a core.
  explicit Program(std::size_t io_threads);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The first thread's, which runs `main`.
  asio::any_io_executor executor();
  /// The threads' in turn.
  ExecutorSource executors();
  BlockingPool& blocking_pool();

  /// Returns at SIGTERM or SIGINT; a second one ends the process at once.
  Task<void> until_stop_signal();

  /// Runs `main` until it returns, having ended what it started on other threads, and nothing is left to do. SIGPIPE is ignored.
  /// @return 0, or 1 after printing the failure to standard error.
  int run(const std::function<Task<void>(Program&)>& main);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sockerless
