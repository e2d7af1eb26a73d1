#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "api/types.hpp"
#include "base/byte_source.hpp"
#include "base/task.hpp"

namespace sockerless {

/// Whether output carries Docker's 8-byte frame headers (no terminal) or comes raw (terminal).
enum class Framing { multiplexed, raw };

/// A container's output as it goes over the wire: whole frames when multiplexed, plain bytes when raw.
struct OutputStream {
  Framing framing = Framing::multiplexed;
  std::unique_ptr<ByteSource> bytes;
};

/// An attachment to a container or an exec: its output and its input. The two directions are used by two coroutines at the same time.
///
/// Destroying the session detaches; what runs goes on.
class AttachSession {
 public:
  virtual ~AttachSession() = default;

  virtual Framing framing() const = 0;
  /// The output; ends when the process has ended and everything was read, or the detach keys were typed.
  virtual ByteSource& output() = 0;
  /// Writes all of `input` to the process's stdin; waits while the process does not read. Input for a container that is not started yet
  /// waits for the start. @errors unavailable: stdin is closed or was not asked for.
  virtual Task<void> write_stdin(std::span<const std::byte> input) = 0;
  /// The client has half-closed: the process reads end-of-file where Docker says so (StdinOnce, exec).
  virtual Task<void> close_stdin() = 0;
};

/// A wait that is already registered: whatever happens after wait() returned is seen.
class ContainerWait {
 public:
  virtual ~ContainerWait() = default;
  /// Cancellation: terminal, total. The container is not touched.
  virtual Task<api::ContainerWaitResponse> result() = 0;
};

class EventStream {
 public:
  virtual ~EventStream() = default;
  /// The next event; nothing when `until` has passed. Cancellation: terminal, total.
  virtual Task<std::optional<api::EventMessage>> next() = 0;
};

class StatsStream {
 public:
  virtual ~StatsStream() = default;
  /// The next sample, about one a second; nothing when the container is gone or one sample was asked for.
  virtual Task<std::optional<api::ContainerStatsResponse>> next() = 0;
};

/// Progress of a pull, push, load, import or build: every piece holds whole lines of JSON, each ended by CRLF. An Error thrown by next() is
/// the operation's failure: the HTTP status when nothing was sent yet, an errorDetail line afterwards.
using ProgressStream = std::unique_ptr<ByteSource>;

struct TerminalSize {
  std::uint16_t height = 0;  ///< rows
  std::uint16_t width = 0;   ///< columns
};

}  // namespace sockerless
