#pragma once

#include <mutex>
#include <shared_mutex>
#include <utility>

namespace sockerless {

/// A value that can only be reached under its reader-writer lock. Critical sections are the lambdas, short, and never await.
///
///   table.write([&](Table& t) { t.insert(x); });
///   auto n = table.read([](const Table& t) { return t.size(); });
///
/// Threads: any.
template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <typename F>
  decltype(auto) read(F&& use) const {
    const std::shared_lock lock(mutex_);
    return std::forward<F>(use)(std::as_const(value_));
  }

  template <typename F>
  decltype(auto) write(F&& use) {
    const std::unique_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::shared_mutex mutex_;
  T value_{};
};

}  // namespace sockerless
