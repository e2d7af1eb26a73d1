#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_stream.hpp"
#include "base/task.hpp"

namespace sockerless::net {

/// A WebSocket (RFC 6455), either side of it. Messages up to 16 MiB; pings are answered while a read is pending. A peer that vanished is
/// noticed by TCP keep-alive.
///
/// One read and one write may be in flight, at the same time. Threads: the executor it was made on.
/// Cancellation: `terminal` ends a pending operation with `cancelled`; the socket is then only good for destruction.
class WebSocket {
 public:
  enum class Kind : std::uint8_t { text, binary };
  struct Message {
    Kind kind = Kind::binary;
    std::string data;
  };
  enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    policy = 1008,
    too_big = 1009,
    internal = 1011
  };

  virtual ~WebSocket() = default;

  /// The next message, or nothing once the peer has closed. @errors unavailable: the connection broke without a close.
  virtual Task<std::optional<Message>> read() = 0;
  virtual Task<void> write(Message message) = 0;
  /// Says good-bye and waits for the peer's, at most some seconds. Allowed while a read is pending (which then returns nothing).
  virtual Task<void> close(CloseCode code, std::string reason) = 0;
  /// Drops the connection at once; pending operations fail with `cancelled`.
  virtual void abort() = 0;
  /// Why the peer closed; empty until read() returned nothing.
  virtual std::string close_reason() const = 0;
};

/// A ByteStream over a WebSocket: binary messages carry the bytes, their boundaries mean nothing. An empty text message is the half-close
/// of its direction, since a WebSocket's own close ends both; other text messages are bytes as well. A close frame is the end of both
/// directions. The WebSocket's close is sent when both directions have ended.
std::unique_ptr<ByteStream> as_byte_stream(std::unique_ptr<WebSocket> socket);

}  // namespace sockerless::net
