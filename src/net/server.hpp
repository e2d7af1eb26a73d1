#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/task.hpp"
#include "net/address.hpp"
#include "net/http.hpp"
#include "net/relay.hpp"
#include "net/websocket.hpp"

namespace sockerless::net {

/// What hijack() gives. It can tell that its peer is gone for good, which an end-of-file does not say: that may be a half-close.
class HijackedConnection : public ByteStream {
 public:
  /// Returns when the peer has closed both directions or the connection broke, as far as the kernel knows. May wait beside a read and a
  /// write. Cancellation: any.
  virtual Task<void> until_peer_gone() = 0;
};

/// One request and its answer. A handler gives exactly one answer: respond, respond_stream, hijack, accept_websocket or
/// relay.
///
/// Threads: the executor the handler runs on, which is the connection's. The references it gives live as long as the handler runs;
/// hijacked streams and WebSockets live on their own.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& request() const = 0;
  virtual const PeerInfo& peer() const = 0;

  /// The request's body, streamed and without limit. Its first read sends "100 Continue" to a client that waits for it.
  virtual BodyReader& body() = 0;
  /// True if the request has a body, be it an empty chunked one.
  virtual bool has_body() const = 0;
  /// The whole body. @errors too_large: it is longer than `limit` bytes.
  virtual Task<std::string> read_body(std::size_t limit) = 0;

  /// Answers with a Content-Length. HEAD, 204 and 304 get no body. `headers` need not carry Content-Length, Date, Connection.
  /// @errors unavailable: the client is gone. deadline_exceeded: it reads too slowly.
  virtual Task<void> respond(int status, Headers headers, std::string body) = 0;
  /// The same for an answer that never changes: nothing is copied, so `headers` and `body` must outlive the call.
  virtual Task<void> respond_constant(int status, const Headers& headers, std::string_view body) = 0;
  /// Sends the head at once and gives the (chunked; for HTTP/1.0 close-delimited) body to write. The request's body may be read meanwhile.
  /// A handler that returns or throws without finish() breaks the connection, which is how the client learns of it.
  virtual Task<BodyWriter*> respond_stream(int status, Headers headers) = 0;
  /// Sends the head (101 UPGRADED, or 200 OK, without length) and hands the connection over; what the client sent already is read first.
  /// Connection and Upgrade are added to a 101 without them. A Content-Length body that was not read is dropped; a chunked one is what the
  /// stream reads, decoded, its end being the client's half-close (clients without Upgrade stream both ways like this).
  virtual Task<std::unique_ptr<HijackedConnection>> hijack(int status, Headers headers) = 0;
  /// Completes the WebSocket handshake. @errors invalid_argument: the request asks for none, or wrongly; the answer is then a plain 400.
  virtual Task<std::unique_ptr<WebSocket>> accept_websocket(Headers headers) = 0;

  /// Sends the request down another server's connection and that server's answer back, byte for byte and both ways at once: head, framing,
  /// interim answers, upgraded connections with half-close. Returns when the answer is complete or, after an upgrade, the connection has
  /// ended; `server` is then idle where it is good for another exchange. The three references outlive the call. No constant header is
  /// added, and no limit of time holds: the other server has its own. Not after the body was read.
  /// @errors unavailable: the server's connection broke; head_sent() tells whether the client can still be answered, `progress` whether the
  /// request may be sent again. invalid_argument: the request's body is malformed. cancelled: the client is gone.
  virtual Task<void> relay(RawConnection& server, RelayWatch& watch, RelayProgress& progress) = 0;

  /// What a handler keeps with the client's connection from one request to the next. It goes with it, on its executor.
  virtual std::shared_ptr<void>& attachment() = 0;

  /// "Connection: Upgrade" with any Upgrade header.
  virtual bool wants_upgrade() const = 0;
  /// The same with "Upgrade: websocket".
  virtual bool wants_websocket() const = 0;
  virtual bool head_sent() const = 0;

  /// Returns when the client has closed its side: race(work(exchange), exchange.until_client_gone()). Bytes it sends meanwhile (the body,
  /// a pipelined request) are kept, so reading the body beside this is fine. Not after hijack. Cancellation: any.
  virtual Task<void> until_client_gone() = 0;
};

/// Answers a request. An Error it throws becomes http_status(code) with {"message": ...}, or, once the head is out, a broken connection.
using Handler = std::function<Task<void>(Exchange&)>;
/// Called once a request, after its answer (status 0: none was sent). For the log; must not throw.
using RequestObserver = std::function<void(const Exchange&, int status, std::chrono::steady_clock::duration)>;

struct ServerLimits {
  std::size_t header_bytes = 64UL * 1024;  ///< request line and header; more is 431
  std::size_t header_fields = 200;
  std::chrono::milliseconds header_timeout = std::chrono::seconds(30);  ///< TLS handshake, and first to last byte of a head
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(5);     ///< a kept-alive connection without a request
  std::chrono::milliseconds body_timeout = std::chrono::minutes(5);     ///< a body that stands still, before the answer has begun
  std::chrono::milliseconds write_timeout = std::chrono::minutes(5);    ///< a client that takes nothing of its answer; not after hijack
};

struct ServerOptions {
  ServerLimits limits = {};
  Headers constant_headers = {};  ///< on every answer, unless the handler sets one of the same name
  RequestObserver on_done = {};
};

struct ListenOptions {
  std::optional<TlsConfig> tls = {};  ///< for a TCP address
  bool insecure = false;              ///< allows TCP without TLS beyond loopback
  std::string unix_group = "docker";  ///< who may use the unix socket (mode 0660), where the group exists
};

/// An HTTP/1.1 server over unix sockets, TCP and TLS.
///
/// Strict on purpose: whatever two parsers could read differently (see net/README.md) is refused with 400 and the connection closed.
/// Threads: any for all methods; handlers run on their connection's executor.
class HttpServer {
 public:
  /// @param executors  gives each connection its executor.
  HttpServer(ExecutorSource executors, Handler handler, ServerOptions options = {});
  /// stop() has returned, or listen() never succeeded.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Listens and serves from now on. A stale unix socket file is replaced.
  /// @return the address, with the port that was chosen for port 0.
  /// @errors conflict: a live server has the socket or the port (the text names it). invalid_argument: bad TLS files, a host that is not an
  /// IP address or "localhost". forbidden: TCP without TLS beyond loopback and not `insecure`.
  Address listen(const Address& address, ListenOptions options = {});
  std::vector<Address> addresses() const;
  std::size_t connection_count() const;
  /// Answers under way that stream: bodies of unknown length, hijacked connections, WebSockets.
  std::size_t stream_count() const;

  /// No new connections, idle ones end at once, running requests are asked (`total`), get `grace` and then are cancelled (`terminal`).
  /// Unix socket files are removed.
  Task<void> stop(std::chrono::steady_clock::duration grace);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the accept loops and connections, which stop() joins
};

}  // namespace sockerless::net
