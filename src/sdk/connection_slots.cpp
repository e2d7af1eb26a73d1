#include "sdk/connection_slots.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sockerless {

void ConnectionSlots::Lease::release() {
  if (!state_) return;
  const std::shared_ptr<State> state = std::move(state_);
  state_.reset();
  state->used.write([](std::size_t& used) { --used; });
  if (state->waiting.load() > 0) state->freed.notify();
}

ConnectionSlots::ConnectionSlots(std::size_t limit) : state_(std::make_shared<State>()) { state_->limit = std::max<std::size_t>(limit, 1); }

std::size_t ConnectionSlots::in_use() const {
  return state_->used.read([](std::size_t used) { return used; });
}

ConnectionSlots::Lease ConnectionSlots::try_acquire(const std::shared_ptr<State>& state, bool& taken) {
  taken = state->used.write([&](std::size_t& used) {
    if (used >= state->limit) return false;
    ++used;
    return true;
  });
  return taken ? Lease(state) : Lease();
}

Task<void> ConnectionSlots::wait(std::shared_ptr<State> state, Lease* out) {
  // Counted before the look at the slots: whoever frees one after that look sees somebody wait.
  struct Waiting {
    explicit Waiting(std::atomic<std::size_t>& number) : count(number) { ++count; }
    ~Waiting() { --count; }
    std::atomic<std::size_t>& count;
  } const counted(state->waiting);
  for (;;) {
    const std::uint64_t seen = state->freed.version();
    bool taken = false;
    *out = try_acquire(state, taken);
    if (taken) co_return;
    co_await state->freed.wait_changed(seen);
  }
}

Task<ConnectionSlots::Lease> ConnectionSlots::acquire(Deadline deadline) {
  bool taken = false;
  Lease lease = try_acquire(state_, taken);
  if (taken) co_return lease;
  co_await with_deadline(wait(state_, &lease), deadline, fmt::format("waiting for one of {} connections to be free", state_->limit));
  co_return lease;
}

}  // namespace sockerless
