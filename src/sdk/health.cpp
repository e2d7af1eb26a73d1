#include "sdk/health.hpp"

#include <fmt/format.h>

#include "sdk/failure.hpp"

namespace sockerless {

Health::Permit::~Permit() {
  if (health_ != nullptr && is_trial_) health_->abandoned();
}

void Health::Permit::reached() {
  if (health_ != nullptr) std::exchange(health_, nullptr)->reached();
}

void Health::Permit::failed(DockerError error) {
  if (health_ != nullptr) std::exchange(health_, nullptr)->failed(std::move(error), is_trial_);
}

Health::Health(const DockerConfig& config, HealthSources sources)
    : sources_(std::move(sources)),
      retry_backoff_{.first = config.retry_delay, .longest = config.max_retry_delay},
      breaker_(config.breaker_failures, {.first = config.breaker_delay, .longest = config.max_breaker_delay}) {}

Health::Permit Health::admit() {
  const auto now = sources_.now();
  const std::scoped_lock lock(mutex_);
  const bool is_closed = !breaker_.next_try();
  if (breaker_.admit(now)) return {*this, !is_closed};
  const auto wait =
      breaker_.next_try() ? std::max(*breaker_.next_try() - now, CircuitBreaker::Instant::duration{}) : CircuitBreaker::Instant::duration{};
  throw Failure(refusal(std::chrono::ceil<std::chrono::milliseconds>(wait)));
}

Health::Permit Health::admit_ping() {
  const std::scoped_lock lock(mutex_);
  const bool is_closed = !breaker_.next_try();
  const bool is_admitted = breaker_.admit(sources_.now());  // takes the half-open breaker's place where it is free; goes in any case
  return {*this, is_admitted && !is_closed};
}

DockerError Health::refusal(std::chrono::milliseconds wait) const {
  DockerError error = state_.last_error.value_or(DockerError{.type = DockerErrorType::connection});
  error.message = fmt::format("the Docker daemon cannot be reached, next try in {} ms: {}", wait.count(), error.message);
  error.recoverable = true;
  error.retry_after = wait;
  return error;
}

void Health::reached() {
  const std::scoped_lock lock(mutex_);
  breaker_.succeeded();
  state_.is_connected = true;
  state_.last_error.reset();
  state_.last_successful_connection = std::chrono::time_point_cast<std::chrono::system_clock::duration>(sources_.wall->now());
  state_.retry_count = 0;
}

void Health::failed(DockerError error, bool is_trial) {
  const double spread = chance();
  const std::scoped_lock lock(mutex_);
  // Of an open breaker only the one attempt that may try it counts, not those that went before it opened.
  if (is_trial || !breaker_.next_try()) breaker_.failed(sources_.now(), spread);
  state_.is_connected = false;
  state_.last_error = std::move(error);
  ++state_.retry_count;
}

void Health::abandoned() {
  const std::scoped_lock lock(mutex_);
  breaker_.abandoned();
}

void Health::hope() {
  const std::scoped_lock lock(mutex_);
  breaker_.reset_delay(sources_.now());
}

DockerConnectionState Health::state() const {
  const auto now = sources_.now();
  const std::scoped_lock lock(mutex_);
  DockerConnectionState state = state_;
  if (const auto next = breaker_.next_try()) {
    const auto wait = std::max(*next - now, CircuitBreaker::Instant::duration{});
    state.next_retry_at = std::chrono::time_point_cast<std::chrono::system_clock::duration>(sources_.wall->now() + wait);
  }
  return state;
}

CircuitBreaker::State Health::breaker() const {
  const auto now = sources_.now();
  const std::scoped_lock lock(mutex_);
  return breaker_.state(now);
}

std::optional<CircuitBreaker::Instant> Health::next_try() const {
  const std::scoped_lock lock(mutex_);
  return breaker_.next_try();
}

std::chrono::milliseconds Health::retry_delay(int failures) { return retry_backoff_.delay(failures, chance()); }

double Health::chance() {
  constexpr std::uint64_t kSteps = 1UL << 30U;
  return static_cast<double>(sources_.random->below(kSteps)) / static_cast<double>(kSteps);
}

}  // namespace sockerless
