#pragma once

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "sdk/stream_session.hpp"

// Internal to sdk/: from a call to its typed answer or its open stream. All fail by exceptions.
namespace sockerless {

using SessionPointer = std::shared_ptr<StreamSession>;

/// The answer's body. @errors Failure connection: it is not what the endpoint answers.
template <typename T>
T parse_answer(std::string_view body, std::string_view what) {
  if (body.empty()) return T{};  // 204, where the document has both
  try {
    return api::parse_json<T>(body);
  } catch (const Error& error) {
    throw Failure(
        {.type = DockerErrorType::connection, .message = fmt::format("the daemon's answer to {} is not Docker's: {}", what, error.what())});
  }
}

/// The failure that a message of progress reports, if it does.
template <typename T>
std::optional<DockerError> failure_in(const T& message) {
  if (!message.error_detail && !message.error) return std::nullopt;
  DockerError failure{.type = DockerErrorType::server_error, .message = message.error.value_or("")};
  if (message.error_detail) {
    failure.message = message.error_detail->message.value_or(std::move(failure.message));
    failure.code = static_cast<int>(message.error_detail->code.value_or(0));
  }
  return failure;
}

/// One message of a stream of JSON. @errors Failure server_error: it reports a failure.
template <typename T>
T parse_message(std::string_view line, std::string_view what) {
  T message = parse_answer<T>(line, what);
  if constexpr (requires { message.error_detail; }) {
    if (auto failure = failure_in(message)) throw Failure(*std::move(failure));
  }
  return message;
}

/// An answer that streams (bytes, messages).
Task<SessionPointer> open_reader(std::shared_ptr<DaemonLink> link, Call call, CallOptions options);
/// The same with a body that streams; the answer is waited for when it is read.
Task<SessionPointer> open_upload(std::shared_ptr<DaemonLink> link, Call call, BodySource content, CallOptions options);
/// A log: frames, or the raw bytes of a TTY.
Task<SessionPointer> open_output(std::shared_ptr<DaemonLink> link, Call call, CallOptions options);
/// A hijacked connection. @param tty  where the caller knows it.
Task<SessionPointer> open_duplex(std::shared_ptr<DaemonLink> link, Call call, std::optional<bool> tty, CallOptions options);
Task<SessionPointer> open_websocket(std::shared_ptr<DaemonLink> link, Call call, CallOptions options);
/// An upload whose answer is nothing.
Task<void> run_upload(std::shared_ptr<DaemonLink> link, Call call, BodySource content, CallOptions options);

}  // namespace sockerless
