#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_stream.hpp"
#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "net/http.hpp"
#include "net/relay.hpp"
#include "net/websocket.hpp"

namespace sockerless::net {

/// Opens a connection some other way, on the executor it is awaited on: a connected stream socket. @errors as HttpClient's.
using Dialer = std::function<Task<UniqueFd>()>;

struct ClientOptions {
  std::optional<TlsConfig> tls = {};                                  ///< for a TCP address
  std::string host_header = {};                                       ///< empty: the address's host and port, "localhost" for a unix socket
  std::size_t max_idle = 8;                                           ///< connections kept for reuse
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);  ///< an idle connection older than this is not reused
  std::size_t max_response_bytes = 64UL * 1024 * 1024;                ///< of request()
  std::size_t header_bytes = 256UL * 1024;
  std::chrono::milliseconds connect_timeout = {};  ///< of a connection, its TLS handshake included; 0: only the call's deadline counts
  Dialer dial = {};                                ///< in place of a connection to the address
};

/// How far a request came, for whoever decides about sending it again.
struct RequestProgress {
  bool connected = false;  ///< there was a connection
  bool sent = false;       ///< a byte of the request may have left
  bool answered = false;   ///< a byte of an answer came
  bool repeated = false;   ///< it was sent before, on a pooled connection that broke without an answer
  int connect_errno = 0;   ///< of the failed connect(2), where that is what failed
};

struct ClientRequest {
  Method method = Method::get;
  std::string target = "/";
  Headers headers = {};  ///< Host, Content-Length, Transfer-Encoding are added
  std::string body = {};
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

/// A request whose bodies stream, in both directions at once if the server does so. Destroying it drops what is left; a connection whose
/// response was read to its end goes back to the pool.
class ClientStream : public BodyReader {
 public:
  /// The request's body (chunked), for HttpClient::open with BodyMode::streamed. @errors unavailable: the server is gone; its answer, if
  /// any, can still be read.
  virtual Task<void> write(std::span<const std::byte> data) = 0;
  virtual Task<void> finish_body() = 0;
  /// Waits for the response's head. The reference lives as long as the stream.
  virtual Task<void> wait_head(Deadline deadline) = 0;
  /// Only after wait_head.
  virtual const ResponseHead& head() const = 0;
  /// Drops the connection; pending operations fail.
  virtual void close() = 0;
};

/// The answer to an upgrade request: a stream, or the refusal the server gave instead.
struct Upgraded {
  ResponseHead head;
  std::unique_ptr<ByteStream> stream;  ///< null: the server answered otherwise
  std::string body;                    ///< of that answer
};

enum class BodyMode : std::uint8_t { whole, streamed };

/// An HTTP/1.1 client of one server, with a bounded pool of kept-alive connections.
///
/// A request is sent again once, on a fresh connection, when a pooled one turns out dead before any byte of an answer came and the request
/// may be repeated: GET, HEAD, OPTIONS, PUT, DELETE, or nothing of it was sent. Otherwise: unavailable.
/// Threads: any; each call runs on its caller's executor. Cancellation: any; the connection is dropped.
/// @errors (all) unavailable: cannot connect, or the connection broke. deadline_exceeded. internal: the server's answer is malformed.
class HttpClient {
 public:
  HttpClient(Address address, ClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  const Address& address() const;

  /// The whole exchange. `progress` (also below) must live as long as the call and is filled in whether it succeeds or not. @errors
  /// too_large: the answer exceeds max_response_bytes.
  Task<Response> request(ClientRequest request, Deadline deadline, RequestProgress* progress = nullptr);
  /// Sends the request (for `whole` with its body, and waits for the head; for `streamed` the head only, `body` must be empty).
  /// The deadline covers what open itself does.
  Task<std::unique_ptr<ClientStream>> open(ClientRequest request, BodyMode mode, Deadline deadline, RequestProgress* progress = nullptr);
  /// Asks for the raw connection ("Connection: Upgrade", "Upgrade: tcp" unless the headers say otherwise). 101, or 200 without length,
  /// gives the stream.
  Task<Upgraded> upgrade(ClientRequest request, Deadline deadline, RequestProgress* progress = nullptr);
  /// @errors those of the status the server answered with, and its "message".
  Task<std::unique_ptr<WebSocket>> websocket(std::string target, Headers headers, Deadline deadline);

  /// A connection as it is: a kept one where there is one and `reuse` allows it, else a new one.
  Task<RawConnection> connect_raw(Reuse reuse, Deadline deadline, RequestProgress* progress = nullptr);

  std::size_t idle_count() const;
  /// Closes the idle connections.
  void drop_idle();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the streams, which give their connections back
};

}  // namespace sockerless::net
