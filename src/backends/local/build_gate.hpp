#pragma once

#include <cstdint>

#include "base/guarded.hpp"
#include "base/task.hpp"

namespace sockerless::local {

/// Builds share the builder's storage; what tidies it up has it alone.
class BuildGate {
 public:
  /// Waits until nobody tidies up. Cancellation: terminal, total.
  Task<void> enter() {
    return take([](State& state) { return !state.alone && ++state.inside > 0; });
  }
  void leave() {
    state_.write([](State& state) { --state.inside; });
    changed_.notify();
  }
  /// Waits until nobody is inside, and keeps everybody out. Cancellation: terminal, total.
  Task<void> close() {
    return take([](State& state) {
      if (state.alone || state.inside > 0) return false;
      return state.alone = true;
    });
  }
  /// The same without waiting. @return false: somebody is inside.
  bool try_close() {
    return state_.write([](State& state) {
      if (state.alone || state.inside > 0) return false;
      return state.alone = true;
    });
  }
  void open() {
    state_.write([](State& state) { state.alone = false; });
    changed_.notify();
  }

 private:
  struct State {
    int inside = 0;
    bool alone = false;
  };

  template <typename Try>
  Task<void> take(Try attempt) {
    for (;;) {
      const std::uint64_t seen = changed_.version();
      if (state_.write(attempt)) co_return;
      co_await changed_.wait_changed(seen);
    }
  }

  Guarded<State> state_;
  Signal changed_;
};

}  // namespace sockerless::local
