#pragma once

#include "backend/relay.hpp"
#include "base/guarded.hpp"
#include "net/server.hpp"

// Internal to frontend/: requests that a daemon behind the backend answers itself.
namespace sockerless::frontend {

/// Passes requests on as they are, and answers for a daemon that cannot be reached: 503 with Retry-After, a ping with what the daemon last
/// said of itself. Threads: any.
class Relay {
 public:
  explicit Relay(RelayRole& role) : role_(role) {}

  /// @param is_ping  /_ping, of any version.
  Task<void> serve(net::Exchange& exchange, bool is_ping);

 private:
  class Watch;
  Task<void> attempt(net::Exchange& exchange, bool is_ping);
  Task<void> answer_ping(net::Exchange& exchange);

  RelayRole& role_;
  Guarded<std::optional<net::Headers>> last_ping_;  // the head of the daemon's last answer to one
};

}  // namespace sockerless::frontend
