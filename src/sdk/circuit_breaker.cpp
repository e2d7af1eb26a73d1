#include "sdk/circuit_breaker.hpp"

#include <algorithm>

namespace sockerless {

std::chrono::milliseconds Backoff::delay(int failures, double chance) const {
  std::chrono::milliseconds full = std::min(first, longest);
  for (int i = 1; i < failures && full < longest; ++i) full = std::min(full * 2, longest);
  const auto half = full / 2;
  const auto spread = static_cast<double>((full - half).count()) * std::clamp(chance, 0.0, 1.0);
  return half + std::chrono::milliseconds(static_cast<std::int64_t>(spread));
}

bool CircuitBreaker::admit(Instant now) {
  if (!is_open_) return true;
  if (is_probing_ || now < open_until_) return false;
  is_probing_ = true;
  return true;
}

void CircuitBreaker::succeeded() {
  failures_ = 0;
  is_open_ = false;
  is_probing_ = false;
}

void CircuitBreaker::failed(Instant now, double chance) {
  // A call that was admitted before the breaker opened says nothing new.
  if (is_open_ && !is_probing_) return;
  ++failures_;
  if (!is_open_ && failures_ < failures_to_open_) return;
  is_open_ = true;
  is_probing_ = false;
  open_until_ = now + backoff_.delay(failures_ - failures_to_open_ + 1, chance);
}

void CircuitBreaker::abandoned() { is_probing_ = false; }

void CircuitBreaker::reset_delay(Instant now) { open_until_ = std::min(open_until_, now); }

CircuitBreaker::State CircuitBreaker::state(Instant now) const {
  if (!is_open_) return State::closed;
  return is_probing_ || now >= open_until_ ? State::half_open : State::open;
}

std::optional<CircuitBreaker::Instant> CircuitBreaker::next_try() const { return is_open_ ? std::optional(open_until_) : std::nullopt; }

}  // namespace sockerless
