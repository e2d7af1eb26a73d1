#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/task.hpp"

namespace sockerless {

/// Bytes that are pulled: a request's body, a container's output, progress lines, an archive.
///
/// Whoever pulls slowly slows the producer down; nothing is queued without bound. Threads: the executor it is pulled on.
/// Cancellation: `terminal` and `total` end a pending next() with `cancelled`.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// The next bytes, valid until the next call; empty means the end. @errors what the producer failed with.
  virtual Task<std::span<const std::byte>> next() = 0;
};

/// A source of one piece of text.
std::unique_ptr<ByteSource> make_text_source(std::string text);

/// Reads a source to its end. @errors too_large past `limit` bytes.
Task<std::string> read_all(ByteSource& source, std::size_t limit);

}  // namespace sockerless
