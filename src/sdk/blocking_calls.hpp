#pragma once

#include "sdk/client_core.hpp"
#include "sdk/opening.hpp"
#include "sdk/stream_parts.hpp"

// Internal to sdk/: what the generated ClientCalls are made of.
namespace sockerless {

Result<net::Response> blocking_request(const CorePointer& core, Call call, CallOptions options) noexcept;
Result<void> blocking_run_upload(const CorePointer& core, Call call, BodySource content, CallOptions options) noexcept;

enum class StreamKind : std::uint8_t { reader, upload, output, duplex, websocket };
Result<detail::StreamParts> blocking_open(const CorePointer& core, StreamKind kind, Call call, BodySource content, std::optional<bool> tty,
                                          CallOptions options) noexcept;

/// `describe` makes the Call; that may run out of memory.
template <typename F>
Result<Call> described(F& describe) noexcept {
  return without_throwing([&] { return describe(); });
}

template <typename T, typename F>
Result<T> blocking_json(const CorePointer& core, F describe, CallOptions options) {
  Result<Call> call = described(describe);
  if (!call) return std::move(call).error();
  const std::string path = call->path;
  const Result<net::Response> response = blocking_request(core, std::move(*call), std::move(options));
  if (!response) return response.error();
  return without_throwing([&] { return parse_answer<T>(response->body, path); });
}

template <typename F>
Result<void> blocking_void(const CorePointer& core, F describe, CallOptions options) {
  Result<Call> call = described(describe);
  if (!call) return std::move(call).error();
  const Result<net::Response> response = blocking_request(core, std::move(*call), std::move(options));
  if (!response) return response.error();
  return {};
}

template <typename Reader, typename F>
Result<Reader> blocking_stream(const CorePointer& core, StreamKind kind, F describe, BodySource content, std::optional<bool> tty,
                               CallOptions options) {
  Result<Call> call = described(describe);
  if (!call) return std::move(call).error();
  Result<detail::StreamParts> parts = blocking_open(core, kind, std::move(*call), std::move(content), tty, std::move(options));
  if (!parts) return std::move(parts).error();
  return without_throwing([&] { return Reader(*std::move(parts)); });
}

template <typename F>
Result<OutputReader> blocking_output(const CorePointer& core, F describe, CallOptions options) {
  return blocking_stream<OutputReader>(core, StreamKind::output, describe, nullptr, {}, std::move(options));
}
template <typename F>
Result<ByteReader> blocking_bytes(const CorePointer& core, F describe, CallOptions options) {
  return blocking_stream<ByteReader>(core, StreamKind::reader, describe, nullptr, {}, std::move(options));
}
template <typename T, typename F>
Result<MessageReader<T>> blocking_messages(const CorePointer& core, F describe, BodySource content, CallOptions options) {
  return blocking_stream<MessageReader<T>>(core, StreamKind::upload, describe, std::move(content), {}, std::move(options));
}
template <typename F>
Result<DuplexStream> blocking_duplex(const CorePointer& core, F describe, CallOptions options, std::optional<bool> tty = {}) {
  return blocking_stream<DuplexStream>(core, StreamKind::duplex, describe, nullptr, tty, std::move(options));
}
template <typename F>
Result<DuplexStream> blocking_websocket(const CorePointer& core, F describe, CallOptions options) {
  return blocking_stream<DuplexStream>(core, StreamKind::websocket, describe, nullptr, {}, std::move(options));
}
template <typename F>
Result<void> blocking_upload(const CorePointer& core, F describe, BodySource content, CallOptions options) {
  Result<Call> call = described(describe);
  if (!call) return std::move(call).error();
  return blocking_run_upload(core, std::move(*call), std::move(content), std::move(options));
}

}  // namespace sockerless
