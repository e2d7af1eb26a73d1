#pragma once

#include "sdk/client_core.hpp"
#include "sdk/opening.hpp"
#include "sdk/stream_parts.hpp"
#include "sockerless/async_streams.hpp"

// Internal to sdk/: what the generated AsyncClientCalls are made of.
namespace sockerless {

/// Awaits and catches everything: the library's boundary.
template <typename T>
Task<Result<T>> to_result(Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      co_return Result<void>();
    } else {
      co_return Result<T>(co_await std::move(task));
    }
  } catch (...) {
    co_return Result<T>(current_docker_error());
  }
}

template <typename T>
Task<T> request_json(CorePointer core, Call call, CallOptions options) {
  const std::string path = call.path;
  const net::Response response = co_await core->link->request(std::move(call), std::move(options));
  co_return parse_answer<T>(response.body, path);
}

inline Task<void> request_void(CorePointer core, Call call, CallOptions options) {
  std::ignore = co_await core->link->request(std::move(call), std::move(options));
}

/// A call whose description failed.
template <typename T>
Task<Result<T>> failed(DockerError error) {
  co_return Result<T>(std::move(error));
}

template <typename F>
Result<Call> described_now(F& describe) noexcept {
  return without_throwing([&] { return describe(); });
}

template <typename T, typename F>
Task<Result<T>> async_json(const CorePointer& core, F describe, CallOptions options) {
  Result<Call> call = described_now(describe);
  if (!call) return failed<T>(std::move(call).error());
  return to_result(request_json<T>(core, *std::move(call), std::move(options)));
}

template <typename F>
Task<Result<void>> async_void(const CorePointer& core, F describe, CallOptions options) {
  Result<Call> call = described_now(describe);
  if (!call) return failed<void>(std::move(call).error());
  return to_result(request_void(core, *std::move(call), std::move(options)));
}

/// @param core  kept until the stream is open.
template <typename Reader>
Task<Reader> make_reader(CorePointer core, Task<SessionPointer> opening) {
  std::ignore = core;
  SessionPointer session = co_await std::move(opening);
  co_return Reader(detail::StreamParts(nullptr, std::move(session)));
}

template <typename Reader, typename F, typename Open>
Task<Result<Reader>> async_stream(const CorePointer& core, F describe, Open open) {
  Result<Call> call = described_now(describe);
  if (!call) return failed<Reader>(std::move(call).error());
  return to_result(make_reader<Reader>(core, open(*std::move(call))));
}

template <typename F>
Task<Result<AsyncOutputReader>> async_output(const CorePointer& core, F describe, CallOptions options) {
  return async_stream<AsyncOutputReader>(core, describe,
                                         [&](Call call) { return open_output(core->link, std::move(call), std::move(options)); });
}
template <typename F>
Task<Result<AsyncByteReader>> async_bytes(const CorePointer& core, F describe, CallOptions options) {
  return async_stream<AsyncByteReader>(core, describe,
                                       [&](Call call) { return open_reader(core->link, std::move(call), std::move(options)); });
}
template <typename T, typename F>
Task<Result<AsyncMessageReader<T>>> async_messages(const CorePointer& core, F describe, BodySource content, CallOptions options) {
  return async_stream<AsyncMessageReader<T>>(
      core, describe, [&](Call call) { return open_upload(core->link, std::move(call), std::move(content), std::move(options)); });
}
template <typename F>
Task<Result<AsyncDuplexStream>> async_duplex(const CorePointer& core, F describe, CallOptions options, std::optional<bool> tty = {}) {
  return async_stream<AsyncDuplexStream>(core, describe,
                                         [&](Call call) { return open_duplex(core->link, std::move(call), tty, std::move(options)); });
}
template <typename F>
Task<Result<AsyncDuplexStream>> async_websocket(const CorePointer& core, F describe, CallOptions options) {
  return async_stream<AsyncDuplexStream>(core, describe,
                                         [&](Call call) { return open_websocket(core->link, std::move(call), std::move(options)); });
}
template <typename F>
Task<Result<void>> async_upload(const CorePointer& core, F describe, BodySource content, CallOptions options) {
  Result<Call> call = described_now(describe);
  if (!call) return failed<void>(std::move(call).error());
  return to_result(run_upload(core->link, *std::move(call), std::move(content), std::move(options)));
}

}  // namespace sockerless
