#pragma once

#include <memory>
#include <mutex>

#include "base/task.hpp"

namespace sockerless {

/// Lets one operation at a time at an object, across awaits, on whatever strand it runs. Waiting holds no thread.
///
///   const OperationLock::Guard guard = co_await record->operations.acquire();
///
/// Threads: any. Not fair: whoever asks first after the release gets it.
class OperationLock {
 public:
  /// Releases on destruction. Movable, from any thread.
  class Guard {
   public:
    Guard() = default;
    explicit Guard(OperationLock* owner) : owner_(owner) {}
    Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, nullptr);
      }
      return *this;
    }
    ~Guard() { release(); }
    void release();

   private:
    OperationLock* owner_ = nullptr;
  };

  /// Waits for its turn. Cancellation: terminal and total, the lock is then not held.
  Task<Guard> acquire();

 private:
  bool try_acquire();
  std::mutex mutex_;
  bool held_ = false;
  bool waiters_ = false;
  Signal released_;
};

}  // namespace sockerless
