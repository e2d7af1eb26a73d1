#pragma once
// What happens to containers, as it happens.
//
//   auto updates = manager.watch({.containers = {"web"}});
//   if (!updates) return fail(updates.error());
//   for (Result<ContainerUpdate>& update : *updates) {
//     if (!update) return fail(update.error());
//     std::cout << update->name << ": " << update->action << '\n';
//   }

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "sockerless/client.hpp"
#include "sockerless/streams.hpp"
#include "sockerless/time_point.hpp"

namespace sockerless {

/// Something that happened to a container.
struct ContainerUpdate {
  enum class Kind : std::uint8_t {
    changed,      ///< `action` happened
    reconnected,  ///< the stream had broken and goes on; what a daemon that was restarted forgot meanwhile is lost: look again
  };
  Kind kind = Kind::changed;
  std::string action = {};  ///< "start", "die", "health_status: healthy", ... as in `docker events`
  std::string container_id = {};
  std::string name = {};
  std::string image = {};
  TimePoint time = {};
  std::map<std::string, std::string> attributes = {};  ///< labels, and what the action has of its own: exitCode, signal

  friend bool operator==(const ContainerUpdate&, const ContainerUpdate&) = default;
};

/// Which updates are wanted; all by default.
struct WatchOptions {
  std::vector<std::string> containers = {};  ///< names or ids
  std::vector<std::string> labels = {};      ///< "team=a", or "team" for any value
  std::vector<std::string> actions = {};     ///< "start", "die", "health_status", ...
  std::stop_token stop = {};                 ///< ends it with `cancelled`
};

/// Updates one after the other, without end: a stream of events that breaks is opened again, with what happened meanwhile as far as the
/// daemon remembers it, nothing twice.
/// Threads: one at a time, except for cancel.
class UpdateReader {
 public:
  UpdateReader(UpdateReader&&) noexcept;
  UpdateReader& operator=(UpdateReader&&) noexcept;
  ~UpdateReader();

  /// Waits for the next update; while the daemon is away it goes on waiting.
  /// @errors cancelled. timeout: set_deadline. Those that waiting does not mend: permission, bad_request, ...
  Result<std::optional<ContainerUpdate>> next();
  /// Ends it: a pending call, and the next, give `cancelled`. From any thread.
  void cancel() noexcept;
  /// From then on calls give `timeout`. Not while a call waits.
  void set_deadline(std::chrono::steady_clock::time_point deadline) noexcept;
  StreamIterator<UpdateReader, ContainerUpdate> begin() { return StreamIterator<UpdateReader, ContainerUpdate>(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class DockerManager;
  struct Impl;
  explicit UpdateReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Called for each update, or at last with the error that ended them. What it throws is lost.
using UpdateListener = std::function<void(const Result<ContainerUpdate>&)>;

/// A listener's life: its end ends the updates and waits for a call that is under way. Not to be destroyed in the listener itself.
class Subscription {
 public:
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

  /// No more updates, without waiting. From any thread, also from the listener.
  void cancel() noexcept;

 private:
  friend class DockerManager;
  struct Impl;
  explicit Subscription(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sockerless
