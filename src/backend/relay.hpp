#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/task.hpp"
#include "net/relay.hpp"

namespace sockerless {

/// How the connection to the daemon behind a backend is.
struct ConnectionHealth {
  bool is_connected = false;                                           ///< the last attempt to reach it succeeded
  std::string last_error = {};                                         ///< why not, for people; empty while it is connected
  std::optional<std::chrono::system_clock::time_point> last_success;   ///< when it last answered
  int failures = 0;                                                    ///< in a row
  std::optional<std::chrono::system_clock::time_point> next_retry_at;  ///< set while requests are refused without trying
};

/// A daemon that cannot be reached: what a client is told, and when it should come back.
class DaemonUnreachable : public Error {
 public:
  DaemonUnreachable(std::string message, std::chrono::milliseconds retry_after)
      : Error(ErrorCode::unavailable, std::move(message)), retry_after_(retry_after) {}
  std::chrono::milliseconds retry_after() const noexcept { return retry_after_; }

 private:
  std::chrono::milliseconds retry_after_;
};

/// Connections to a daemon that speaks the Docker Engine API, for a frontend that passes requests on as they are, and how the daemon is.
///
/// Threads: any. Lives as long as the backend.
class RelayRole {
 public:
  /// The right to make one attempt, with the connection for it. Whoever has it says what became of it; told nothing, the attempt says
  /// nothing of the daemon. Used on the executor it was opened on.
  class Attempt {
   public:
    virtual ~Attempt() = default;
    virtual net::RawConnection& connection() = 0;
    /// The daemon has begun to answer, whatever it says.
    virtual void answered() = 0;
    /// It broke the connection before it answered.
    virtual void broke(const Error& error) = 0;
  };

  virtual ~RelayRole() = default;

  /// @param kept  one of its connections, of an earlier attempt, to be taken if it is still good; may be null.
  /// @param reuse  whether it may be another connection that served requests before.
  /// @errors DaemonUnreachable: it cannot be reached, or could not be a moment ago and it is not yet time to try again.
  virtual Task<std::unique_ptr<Attempt>> begin(net::RawConnection* kept, net::Reuse reuse) = 0;
  /// Asks the daemon. A stream's end alone does not tell a daemon that is done from one that died.
  virtual Task<bool> is_alive() = 0;
  virtual ConnectionHealth health() const = 0;
  /// What can be done about health().last_error, the best first. Looks at the machine: not for every request.
  virtual Task<std::vector<std::string>> advice() = 0;
};

}  // namespace sockerless
