#pragma once

#include <future>
#include <memory>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/guarded.hpp"
#include "sdk/failure.hpp"
#include "sdk/io_thread.hpp"

// Internal to sdk/: how a blocking caller waits for a task.
namespace sockerless {

/// Contexts for blocking calls, each used by one caller at a time and kept for the next.
class ContextPool {
 public:
  std::unique_ptr<asio::io_context> take();
  /// Waits until nothing runs in it any more: whatever could wait there must have been closed.
  void give_back(std::unique_ptr<asio::io_context> context);

 private:
  static constexpr std::size_t kMaxIdle = 16;
  Guarded<std::vector<std::unique_ptr<asio::io_context>>> idle_;
};

/// Runs tasks for one blocking stream or call.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual asio::any_io_executor executor() = 0;
  /// Runs it to its end. What it throws is lost: give it a task that catches.
  virtual void run(Task<void> task) = 0;
};

/// On the caller's own thread: nothing is handed from thread to thread.
class OwnThreadRunner final : public Runner {
 public:
  explicit OwnThreadRunner(std::shared_ptr<ContextPool> pool) : pool_(std::move(pool)), context_(pool_->take()) {}
  ~OwnThreadRunner() override { pool_->give_back(std::move(context_)); }
  OwnThreadRunner(const OwnThreadRunner&) = delete;
  OwnThreadRunner& operator=(const OwnThreadRunner&) = delete;
  asio::any_io_executor executor() override { return context_->get_executor(); }
  void run(Task<void> task) override;

 private:
  std::shared_ptr<ContextPool> pool_;  // shared with the client: a stream may outlive it
  std::unique_ptr<asio::io_context> context_;
};

/// On the link's thread, so that a read and a write may wait at the same time.
class SharedThreadRunner final : public Runner {
 public:
  explicit SharedThreadRunner(IoThread& thread) : thread_(thread) {}
  asio::any_io_executor executor() override { return thread_.executor(); }
  void run(Task<void> task) override;

 private:
  IoThread& thread_;
};

/// The task's result, or its failure.
template <typename T>
Result<T> run_to_result(Runner& runner, Task<T> task) noexcept {
  try {
    std::optional<Result<T>> result;
    runner.run([](Task<T> inner, std::optional<Result<T>>* out) -> Task<void> {
      try {
        if constexpr (std::is_void_v<T>) {
          co_await std::move(inner);
          out->emplace();
        } else {
          out->emplace(co_await std::move(inner));
        }
      } catch (...) {
        out->emplace(current_docker_error());
      }
    }(std::move(task), &result));
    if (result) return std::move(*result);
    return DockerError{.type = DockerErrorType::unknown, .message = "the call was dropped"};
  } catch (...) {
    return current_docker_error();
  }
}

}  // namespace sockerless
