#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "api/types.hpp"
#include "backend/roles.hpp"
#include "backend/streams.hpp"
#include "base/time.hpp"

namespace sockerless {

/// `Actor.Attributes` of an event.
using EventAttributes = std::map<std::string, std::string>;

/// What happened, to whoever listens.
///
/// The past is the buffer: publish() appends to a ring, a subscriber reads the ring at its own position. Nothing is queued per subscriber;
/// one that falls behind by more than the ring holds gets `unavailable` and has to subscribe again. Threads: any.
class EventBus {
 public:
  /// @param capacity  how many past events are kept; Docker keeps 256.
  explicit EventBus(Clock& clock, std::size_t capacity = 4096);
  ~EventBus();
  EventBus(const EventBus&) = delete;
  EventBus& operator=(const EventBus&) = delete;

  /// Stamps the event with the time and a scope of "local". Never waits.
  /// @param type  "container", "image", "network", "volume", "daemon"; @param actor  the id (image, container, network) or name (volume).
  void publish(std::string type, std::string action, std::string actor, EventAttributes attributes);

  /// Past events from `since` first (none when it is not set), then live ones until `until`.
  /// @errors invalid_argument: "invalid filter 'x'".
  std::unique_ptr<EventStream> subscribe(EventOptions options);

  /// Ends every stream: pending and later next() return nothing.
  void close();

  /// How many streams are open: Info.NEventsListener.
  std::size_t listeners() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the streams, which may outlive the bus
};

}  // namespace sockerless
