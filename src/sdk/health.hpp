#pragma once

#include <functional>
#include <mutex>

#include "base/random.hpp"
#include "base/time.hpp"
#include "sdk/circuit_breaker.hpp"
#include "sockerless/config.hpp"

// Internal to sdk/.
namespace sockerless {

/// Time and chance, given.
struct HealthSources {
  std::function<CircuitBreaker::Instant()> now = [] { return std::chrono::steady_clock::now(); };
  Clock* wall = &system_clock();
  Random* random = &system_random();
};

/// What a client knows of its daemon's health: the breaker, and the state that connection_state() shows. Threads: any.
class Health {
 public:
  Health(const DockerConfig& config, HealthSources sources);

  /// The right to make one attempt. What it was told last counts; told nothing, the attempt says nothing of the daemon.
  class Permit {
   public:
    Permit(Health& health, bool is_trial) : health_(&health), is_trial_(is_trial) {}
    Permit(Permit&& other) noexcept : health_(std::exchange(other.health_, nullptr)), is_trial_(other.is_trial_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    /// The daemon answered, whatever it said.
    void reached();
    /// It could not be reached, or broke the connection before it answered.
    void failed(DockerError error);

   private:
    Health* health_;
    bool is_trial_;  // the one attempt of a half-open breaker
  };

  /// @errors Failure: the breaker is open; says why and for how long.
  Permit admit();
  /// A ping of the monitor goes also while the breaker is open.
  Permit admit_ping();
  /// Something changed for the better (the socket was made again): the next call may try at once.
  void hope();

  DockerConnectionState state() const;
  CircuitBreaker::State breaker() const;
  /// When the breaker lets a call through; nullopt while it is closed.
  std::optional<CircuitBreaker::Instant> next_try() const;
  /// How long to wait before an attempt after `failures`.
  std::chrono::milliseconds retry_delay(int failures);

 private:
  void reached();
  void failed(DockerError error, bool is_trial);
  void abandoned();
  double chance();
  DockerError refusal(std::chrono::milliseconds wait) const;

  // Set in the constructor, never changed.
  HealthSources sources_;
  Backoff retry_backoff_;
  // Under mutex_.
  mutable std::mutex mutex_;
  CircuitBreaker breaker_;
  DockerConnectionState state_;
};

}  // namespace sockerless
