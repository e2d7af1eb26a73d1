#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sockerless/config.hpp"

namespace sockerless {

/// The connections of a client.
struct PoolFigures {
  std::size_t in_use = 0;   ///< of calls under way
  std::size_t idle = 0;     ///< kept for the next call
  std::size_t streams = 0;  ///< held by streams and hijacks
  std::size_t waiting = 0;  ///< calls that wait for a connection
};

enum class BreakerState : std::uint8_t {
  closed,     ///< calls go
  open,       ///< the daemon is down: calls fail at once
  half_open,  ///< one call may try
};

/// Something that the monitor saw (DockerConfig::health_check_interval). Changes of the socket file are seen as they happen, of a daemon at
/// a unix socket.
struct HealthEvent {
  enum class Kind : std::uint8_t {
    connected,        ///< the daemon answers, the first time or again
    disconnected,     ///< it does not answer any more
    socket_gone,      ///< the socket file was removed
    socket_appeared,  ///< it was made
    socket_replaced,  ///< another file is in its place: the daemon was restarted
    socket_owner_changed,
    socket_group_changed,
    socket_mode_changed,
  };
  Kind kind = Kind::connected;
  std::string message = {};  ///< for people: what it was and what it is now
  DockerConnectionState state = {};
};

/// The enumerator's name.
std::string_view name_of(HealthEvent::Kind kind);

/// Called on the library's own thread, one event at a time: short, and without waiting for attach or exec streams. What it throws is lost.
using HealthListener = std::function<void(const HealthEvent&)>;

/// What a daemon says of itself to whoever pings it.
struct PingInfo {
  std::string api_version = {};      ///< the highest it speaks
  std::string builder_version = {};  ///< "1" or "2" (BuildKit)
  std::string os_type = {};
  std::string swarm = {};
  bool experimental = false;
};

/// What is at a path in a container.
struct PathInfo {
  std::string name = {};
  std::int64_t size = 0;
  std::uint32_t mode = 0;     ///< Go's os.FileMode: the permission bits are the lowest nine
  std::string modified = {};  ///< RFC 3339
  std::string link_target = {};
};

}  // namespace sockerless
