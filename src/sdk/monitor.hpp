#pragma once

#include <memory>

#include "sdk/daemon_link.hpp"
#include "sockerless/health.hpp"

// Internal to sdk/.
namespace sockerless {

/// Watches a daemon while nobody calls it: pings it, watches its socket file, tells the link when it may be back. Runs on the link's thread
/// until it is destroyed.
///
/// So a daemon that comes back is known before the next call: the socket's creation ends the breaker's wait, the ping closes it.
class Monitor {
 public:
  explicit Monitor(std::shared_ptr<DaemonLink> link);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  void add_listener(HealthListener listener) noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the task, which may end after the monitor when that goes on the link's own thread
  IoThread& thread_;              // of the link, which the client that owns the monitor keeps
};

}  // namespace sockerless
