#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "base/guarded.hpp"
#include "base/task.hpp"

// Internal to sdk/.
namespace sockerless {

/// How many connections may be in use at a time. Whoever finds none free waits. Threads: any.
class ConnectionSlots {
  struct State {
    std::size_t limit = 0;
    Guarded<std::size_t> used;
    std::atomic<std::size_t> waiting = 0;
    Signal freed;
  };

 public:
  /// One slot, given back when it goes.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      release();
      state_ = std::move(other.state_);
      return *this;
    }
    ~Lease() { release(); }
    void release();

   private:
    std::shared_ptr<State> state_;  // shared with the slots: a stream may outlive its client
  };

  explicit ConnectionSlots(std::size_t limit);

  /// @errors deadline_exceeded: none was free in time; the text says how many there are.
  Task<Lease> acquire(Deadline deadline);
  std::size_t in_use() const;
  std::size_t waiting() const { return state_->waiting.load(); }

 private:
  static Lease try_acquire(const std::shared_ptr<State>& state, bool& taken);
  static Task<void> wait(std::shared_ptr<State> state, Lease* out);

  std::shared_ptr<State> state_;
};

}  // namespace sockerless
