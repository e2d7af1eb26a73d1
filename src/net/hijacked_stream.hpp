#pragma once

#include <memory>
#include <optional>

#include "base/byte_stream.hpp"
#include "net/http_parser.hpp"
#include "net/server.hpp"
#include "net/transport.hpp"

// Internal to net/.
namespace sockerless::net {

/// A connection that HTTP is done with, as a ByteStream: first the bytes that were read too far, then the transport. With a decoder the
/// incoming side is a chunked body, whose end is the peer's half-close.
class HijackedStream final : public HijackedConnection {
 public:
  HijackedStream(std::unique_ptr<Transport> transport, InputBuffer input, std::optional<ChunkDecoder> chunks = std::nullopt)
      : transport_(std::move(transport)), input_(std::move(input)), chunks_(chunks) {}

  Task<std::size_t> read_some(std::span<std::byte> buffer) override;
  Task<void> write(std::span<const std::byte> data) override;
  Task<void> until_peer_gone() override { return transport_->until_peer_gone(); }
  Task<void> close_write() override;
  void close() override;

 private:
  Task<std::size_t> read_chunked(std::span<std::byte> buffer);

  std::unique_ptr<Transport> transport_;
  InputBuffer input_;
  std::optional<ChunkDecoder> chunks_;
  bool write_closed_ = false;
  bool head_is_read_ = false;  // or was waited for long enough
};

}  // namespace sockerless::net
