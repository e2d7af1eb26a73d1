#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sdk/async_calls.hpp"
#include "sockerless/async_client.hpp"

// Internal to this project: what a program that passes a daemon's answers on needs beyond AsyncClient, which is made for those who use
// them. Output as it came, framed or not; an upload that waits for its source; an answer whose head means something of its own (a
// registered wait). The calls are those of the generated sdk_calls.hpp.
namespace sockerless {

/// An open stream of one call. Lives on the executor that its opening was awaited on; may be destroyed anywhere. One read and one write may
/// be pending at the same time.
class RawStream {
 public:
  explicit RawStream(SessionPointer session) : parts_(nullptr, std::move(session)) {}

  /// Whether output has no frames: the container, or the exec, has a terminal.
  bool is_raw() const { return parts_.session->framing() == StreamSession::Framing::raw; }
  /// Of the answer's head; of an upload only once something was read.
  const net::Headers& headers() const { return parts_.session->headers(); }

  /// At least one byte, as it came; 0 is the clean end. The buffer lives until it is done.
  Task<Result<std::size_t>> read(std::span<std::byte> buffer);
  /// A line of JSON without its end; nullopt is the clean end.
  Task<Result<std::optional<std::string>>> next_line();
  /// All of it, to the process or as the upload's body. The bytes live until it is done.
  Task<Result<void>> write(std::span<const std::byte> bytes);
  /// The end of the input, or of the upload's body.
  Task<Result<void>> close_write();
  /// Drops the connection; what waits on it ends with `cancelled`. From any thread.
  void cancel() noexcept { parts_.session->cancel(); }

 private:
  detail::StreamParts parts_;
};

/// The link that a client's calls share.
std::shared_ptr<DaemonLink> link_of(const AsyncClient& client);

/// A call whose answer is of the caller's choosing, where the generated call's type says less.
template <typename T>
Task<Result<T>> json_call(const AsyncClient& client, Call call) {
  const auto ask = [](std::shared_ptr<DaemonLink> link, Call what) -> Task<T> {
    const std::string path = what.path;
    const net::Response response = co_await link->request(std::move(what), {});
    co_return parse_answer<T>(response.body, path);
  };
  return to_result(ask(link_of(client), std::move(call)));
}

/// Waits for the answer's head.
Task<Result<RawStream>> raw_answer(const AsyncClient& client, Call call);
/// The same for a log, whose framing is known then.
Task<Result<RawStream>> raw_output(const AsyncClient& client, Call call);
/// A hijacked connection. @param tty  where the caller knows it.
Task<Result<RawStream>> raw_connection(const AsyncClient& client, Call call, std::optional<bool> tty = {});
/// Sends the head; the caller writes the body, and reads the answer meanwhile.
Task<Result<RawStream>> raw_upload(const AsyncClient& client, Call call);

}  // namespace sockerless
