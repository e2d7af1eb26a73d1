#pragma once
// What streams: logs, attach, exec, events, stats, progress, archives. A reader gives one thing after the other until a clean end; a stream
// that broke ends with an error, never with an end.
//
//   auto logs = client.container_logs("web", {.follow = true, .stdout = true, .stderr = true});
//   if (!logs) return fail(logs.error());
//   for (Result<OutputChunk>& chunk : *logs) {
//     if (!chunk) return fail(chunk.error());
//     std::cout << chunk->bytes;
//   }

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sockerless/result.hpp"

namespace sockerless {

namespace detail {
struct StreamParts;
}  // namespace detail

enum class OutputKind : std::uint8_t { standard_input, standard_output, standard_error };

/// Bytes that a process wrote, in the order they came. Chunks are cut anywhere, not at lines.
struct OutputChunk {
  OutputKind kind = OutputKind::standard_output;  ///< with a TTY all is standard output
  std::string bytes = {};

  friend bool operator==(const OutputChunk&, const OutputChunk&) = default;
};

/// Where an upload's bytes come from: fills the span, gives how many; 0 is the end. An error, or an exception, ends the upload with it. It
/// is called on the thread that reads the answer (blocking) or on the executor (AsyncClient, where it must not block).
using BodySource = std::function<Result<std::size_t>(std::span<std::byte>)>;
/// A body that is in memory.
BodySource body_of(std::string bytes);
/// A file's content, or the error why it cannot be opened.
Result<BodySource> body_of_file(const std::string& path);

/// What all streams can do. Moved from, it is good for destruction only. Its end drops the connection if it has not come to an end.
/// Threads: one at a time, except for cancel.
class Stream {
 public:
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  /// Ends it: a pending call, and the next, give `cancelled`. From any thread.
  void cancel() noexcept;
  /// By when it must have come to its end; from then on calls give `timeout`.
  void set_deadline(std::chrono::steady_clock::time_point deadline) noexcept;
  /// A field of the answer's head.
  std::optional<std::string> header(std::string_view name) const;

 protected:
  explicit Stream(detail::StreamParts parts);
  std::unique_ptr<detail::StreamParts> parts_;
};

/// Makes a range of a reader, for one pass: the items, and at last the error if it ends with one.
template <typename Reader, typename T>
class StreamIterator {
 public:
  using value_type = Result<T>;
  using difference_type = std::ptrdiff_t;

  StreamIterator() = default;
  explicit StreamIterator(Reader& reader) : reader_(&reader) { advance(); }
  Result<T>& operator*() const { return *item_; }
  StreamIterator& operator++() {
    if (*item_) {
      advance();
    } else {
      item_.reset();
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const StreamIterator& iterator, std::default_sentinel_t) { return !iterator.item_; }

 private:
  void advance() {
    Result<std::optional<T>> next = reader_->next();
    item_.reset();
    if (!next) {
      item_.emplace(std::move(next).error());
    } else if (*next) {
      item_.emplace(*std::move(*next));
    }
  }

  Reader* reader_ = nullptr;
  mutable std::optional<Result<T>> item_;
};

/// Output of a process: logs, or one side of attach and exec.
class OutputReader : public Stream {
 public:
  explicit OutputReader(detail::StreamParts parts);
  /// Waits for the next chunk; nullopt is the clean end.
  Result<std::optional<OutputChunk>> next();
  StreamIterator<OutputReader, OutputChunk> begin() { return StreamIterator<OutputReader, OutputChunk>(*this); }
  std::default_sentinel_t end() const { return {}; }
};

/// JSON messages: events, stats, the progress of pull, push, build and load. A message that reports a failure ends the stream with it.
template <typename T>
class MessageReader : public Stream {
 public:
  explicit MessageReader(detail::StreamParts parts);
  /// Waits for the next message; nullopt is the clean end.
  Result<std::optional<T>> next();
  /// Reads to the end: for whoever only wants to know that it succeeded.
  Result<void> finish();
  StreamIterator<MessageReader, T> begin() { return StreamIterator<MessageReader, T>(*this); }
  std::default_sentinel_t end() const { return {}; }
};

/// Bytes: archives, exported containers, saved images.
class ByteReader : public Stream {
 public:
  explicit ByteReader(detail::StreamParts parts);
  /// At least one byte; 0 is the clean end.
  Result<std::size_t> read(std::span<std::byte> buffer);
  /// All that is left. @errors unknown: it is more than `limit` bytes.
  Result<std::string> read_all(std::size_t limit = 64UL * 1024 * 1024);
};

/// Attach and exec: output in, input out. One thread may read while another one writes.
class DuplexStream : public Stream {
 public:
  explicit DuplexStream(detail::StreamParts parts);
  /// Waits for output; nullopt: there will be no more.
  Result<std::optional<OutputChunk>> next();
  /// Writes all of it to the process's standard input.
  Result<void> write(std::string_view bytes);
  /// The process reads end-of-file; its output goes on.
  Result<void> close_write();
  StreamIterator<DuplexStream, OutputChunk> begin() { return StreamIterator<DuplexStream, OutputChunk>(*this); }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace sockerless
