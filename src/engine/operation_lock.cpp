#include "engine/operation_lock.hpp"

#include <utility>

namespace sockerless {

bool OperationLock::try_acquire() {
  const std::scoped_lock lock(mutex_);
  if (held_) {
    waiters_ = true;
    return false;
  }
  held_ = true;
  return true;
}

Task<OperationLock::Guard> OperationLock::acquire() {
  for (;;) {
    const std::uint64_t seen = released_.version();
    if (try_acquire()) co_return Guard(this);
    co_await released_.wait_changed(seen);
  }
}

void OperationLock::Guard::release() {
  if (owner_ == nullptr) return;
  OperationLock* owner = std::exchange(owner_, nullptr);
  bool wake = false;
  {
    const std::scoped_lock lock(owner->mutex_);
    owner->held_ = false;
    wake = std::exchange(owner->waiters_, false);
  }
  if (wake) owner->released_.notify();
}

}  // namespace sockerless
