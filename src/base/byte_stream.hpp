#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/task.hpp"

namespace sockerless {

/// The one stream type: a hijacked connection, a WebSocket, a container's pipe or pty, a dialled Docker connection.
///
/// At most one read and one write are in flight at a time; a read and a write may overlap. The buffers outlive the call because the caller
/// awaits it. Threads: the executor the stream was made on. Cancellation: `terminal` and `total` end the pending operation with
/// `cancelled`.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads at least one byte into `buffer`; 0 means the peer has half-closed: there will be no more.
  virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
  /// Writes all of `data`. @errors unavailable: the peer is gone.
  virtual Task<void> write(std::span<const std::byte> data) = 0;
  /// Half-close: the peer reads end-of-file, reading from it goes on. Idempotent.
  virtual Task<void> close_write() = 0;
  /// Ends both directions at once; pending operations fail with `cancelled`. Idempotent, from the stream's executor.
  virtual void close() = 0;
};

/// Two connected streams in memory: what is written to one is read from the other. A write waits until the reader has taken it or the
/// `capacity` bytes between them have room.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_stream_pair(std::size_t capacity = 64UL * 1024);

/// A stream over a descriptor made non-blocking here: a pipe end, pty master or socket. `write_fd` may be -1 (read only) or equal to the
/// read side's (a socket, a pty); half-close then is shutdown(2) for a socket and closing for a pipe.
std::unique_ptr<ByteStream> make_fd_stream(asio::any_io_executor executor, UniqueFd read_fd, UniqueFd write_fd);

/// Copies until `from` ends, then half-closes `to`. @return bytes copied.
Task<std::uint64_t> copy_stream(ByteStream& from, ByteStream& to);

inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view as_text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace sockerless
