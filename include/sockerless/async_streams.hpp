#pragma once
// The streams of streams.hpp as coroutines. Each lives on the executor that its call was awaited on: one thread, or a strand.

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "sockerless/result.hpp"
#include "sockerless/streams.hpp"

namespace sockerless {

/// As Stream. Its end drops the connection, on the stream's executor. Cancelling the awaiting coroutine by Asio's means ends the stream
/// too.
class AsyncStream {
 public:
  AsyncStream(AsyncStream&&) noexcept;
  AsyncStream& operator=(AsyncStream&&) noexcept;
  ~AsyncStream();

  /// From any thread.
  void cancel() noexcept;
  void set_deadline(std::chrono::steady_clock::time_point deadline) noexcept;
  std::optional<std::string> header(std::string_view name) const;

 protected:
  explicit AsyncStream(detail::StreamParts parts);
  std::unique_ptr<detail::StreamParts> parts_;
};

class AsyncOutputReader : public AsyncStream {
 public:
  explicit AsyncOutputReader(detail::StreamParts parts);
  /// The next chunk; nullopt is the clean end.
  boost::asio::awaitable<Result<std::optional<OutputChunk>>> next();
};

template <typename T>
class AsyncMessageReader : public AsyncStream {
 public:
  explicit AsyncMessageReader(detail::StreamParts parts);
  /// The next message; nullopt is the clean end.
  boost::asio::awaitable<Result<std::optional<T>>> next();
};

class AsyncByteReader : public AsyncStream {
 public:
  explicit AsyncByteReader(detail::StreamParts parts);
  /// At least one byte; 0 is the clean end. The buffer lives until it is done.
  boost::asio::awaitable<Result<std::size_t>> read(std::span<std::byte> buffer);
};

/// One read and one write may be pending at the same time.
class AsyncDuplexStream : public AsyncStream {
 public:
  explicit AsyncDuplexStream(detail::StreamParts parts);
  /// The next output; nullopt: there will be no more.
  boost::asio::awaitable<Result<std::optional<OutputChunk>>> next();
  boost::asio::awaitable<Result<void>> write(std::string bytes);
  /// The process reads end-of-file; its output goes on.
  boost::asio::awaitable<Result<void>> close_write();
};

}  // namespace sockerless
