#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

// Internal to sdk/. Both classes are values without I/O: time and chance are arguments, so that tests need no waiting.
namespace sockerless {

/// How long to wait before trying again: doubling, bounded, and spread out, so that a thousand clients of a daemon that comes back do not
/// return at the same instant.
struct Backoff {
  std::chrono::milliseconds first;
  std::chrono::milliseconds longest;

  /// @param failures  how many there were, from 1.
  /// @param chance    in [0, 1): the delay is between half of the full one and all of it.
  std::chrono::milliseconds delay(int failures, double chance) const;
};

/// Stops calls to a daemon that is down.
///
/// Closed, every call may go. After `failures_to_open` failures in a row it opens: no call goes until a delay (Backoff) has passed. Then it
/// is half-open: one call goes; its success closes the breaker, its failure opens it again for longer. A call that ended without telling
/// (cancelled) gives its place to the next one.
class CircuitBreaker {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t { closed, open, half_open };

  CircuitBreaker(int failures_to_open, Backoff backoff) : failures_to_open_(failures_to_open), backoff_(backoff) {}

  /// May a call go now? Each call that may ends in exactly one of succeeded, failed and abandoned.
  bool admit(Instant now);
  void succeeded();
  void failed(Instant now, double chance);
  void abandoned();
  /// The daemon may be back (its socket was made again): the next call may try.
  void reset_delay(Instant now);

  State state(Instant now) const;
  int failures() const { return failures_; }
  /// When the next call may go; nullopt while all may.
  std::optional<Instant> next_try() const;

 private:
  int failures_to_open_;
  Backoff backoff_;
  int failures_ = 0;  // in a row
  bool is_open_ = false;
  bool is_probing_ = false;  // the one call of the half-open breaker is under way
  Instant open_until_{};
};

}  // namespace sockerless
