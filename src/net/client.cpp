#include "net/client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/guarded.hpp"
#include "net/hijacked_stream.hpp"
#include "net/http_parser.hpp"
#include "net/tls.hpp"
#include "net/transport.hpp"
#include "net/websocket_impl.hpp"

namespace sockerless::net {

namespace {

constexpr std::size_t kHeaderFields = 500;
constexpr std::size_t kMaxRefusalBody = 1024UL * 1024;

struct IdleConnection {
  std::unique_ptr<Transport> transport;  // detached: the pool belongs to no executor
  std::chrono::steady_clock::time_point since;
};

bool is_ours(std::string_view name) {
  return equal_ignoring_case(name, "Host") || equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Transfer-Encoding");
}

std::string default_host(const Address& address) {
  if (address.kind == Address::Kind::unix_socket) return "localhost";
  return address.str().substr(std::string_view("tcp://").size());
}

Error connect_failure(const Address& address, std::string_view why) {
  return Error::unavailable("cannot connect to {}: {}", address.str(), why);
}

Error connect_failure(const Address& address, const boost::system::error_code& error, RequestProgress& progress) {
  if (error == asio::error::operation_aborted) return Error::cancelled();
  if (error.category() == boost::system::system_category()) progress.connect_errno = error.value();
  return connect_failure(address, error.message());
}

Task<StreamSocket> connect_unix(Address address, RequestProgress& progress) {
  StreamSocket socket(co_await asio::this_coro::executor);
  if (address.path.size() >= 108) throw Error::invalid_argument("the path of a unix socket is too long: {}", address.path);
  const asio::generic::stream_protocol::endpoint endpoint{asio::local::stream_protocol::endpoint(address.path)};
  boost::system::error_code error;
  co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  if (error) throw connect_failure(address, error, progress);
  co_return socket;
}

Task<std::vector<asio::ip::tcp::endpoint>> look_up(Address address) {
  boost::system::error_code error;
  const auto numeric = asio::ip::make_address(address.host, error);
  if (!error) co_return std::vector{asio::ip::tcp::endpoint(numeric, address.port)};
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto found =
      co_await resolver.async_resolve(address.host, std::to_string(address.port), asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw Error::cancelled();
  if (error) throw connect_failure(address, error.message());
  std::vector<asio::ip::tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

Task<StreamSocket> connect_tcp(Address address, RequestProgress& progress) {
  const auto executor = co_await asio::this_coro::executor;
  boost::system::error_code error = asio::error::host_not_found;
  for (const asio::ip::tcp::endpoint& endpoint : co_await look_up(address)) {
    StreamSocket socket(executor);
    co_await socket.async_connect(asio::generic::stream_protocol::endpoint(endpoint), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw Error::cancelled();
    if (!error) co_return socket;
  }
  throw connect_failure(address, error, progress);
}

Task<StreamSocket> connect_by(Dialer dial) {
  UniqueFd descriptor = co_await dial();
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  if (::getsockname(descriptor.get(), reinterpret_cast<sockaddr*>(&local), &length) != 0) throw from_errno(errno, "the dialled connection");
  StreamSocket socket(co_await asio::this_coro::executor, asio::generic::stream_protocol(local.ss_family, 0), descriptor.get());
  std::ignore = descriptor.release();  // the socket owns it now
  co_return socket;
}

}  // namespace

struct HttpClient::Impl {
  Impl(Address address_in, ClientOptions options_in)
      : address(std::move(address_in)), options(std::move(options_in)), tls(options.tls ? make_client_tls(*options.tls) : nullptr) {
    if (options.host_header.empty()) options.host_header = default_host(address);
  }

  /// A pooled connection on this executor, or nothing.
  std::unique_ptr<Transport> take_idle(const asio::any_io_executor& executor);
  void give_back(std::unique_ptr<Transport> transport);
  static Task<std::unique_ptr<Transport>> connect(std::shared_ptr<Impl> self, RequestProgress& progress);
  static Task<void> connect_into(std::shared_ptr<Impl> self, RequestProgress& progress, std::unique_ptr<Transport>* out);
  std::string head_of(const ClientRequest& request, BodyMode mode) const;
  static Task<void> open_into(std::shared_ptr<Impl> self, ClientRequest request, BodyMode mode, RequestProgress& progress,
                              std::unique_ptr<ClientStream>* out);
  static Task<void> request_into(std::shared_ptr<Impl> self, ClientRequest request, RequestProgress& progress, Response* out);
  static Task<void> upgrade_into(std::shared_ptr<Impl> self, ClientRequest request, RequestProgress& progress, Upgraded* out);
  static Task<void> connect_raw_into(std::shared_ptr<Impl> self, Reuse reuse, RequestProgress& progress, std::optional<RawConnection>* out);
  static Task<void> websocket_into(std::shared_ptr<Impl> self, std::string target, Headers headers, std::unique_ptr<WebSocket>* out);
  std::string describe(Method method, std::string_view target) const {
    return fmt::format("{} {} on {}", name_of(method), target.substr(0, target.find('?')), address.str());
  }

  // Set in the constructor, never changed.
  const Address address;
  ClientOptions options;
  const TlsContext tls;
  // Any thread.
  Guarded<std::vector<IdleConnection>> idle;
};

std::unique_ptr<Transport> HttpClient::Impl::take_idle(const asio::any_io_executor& executor) {
  const auto oldest = std::chrono::steady_clock::now() - options.idle_timeout;
  for (;;) {
    IdleConnection connection = idle.write([](auto& all) {
      IdleConnection last;
      if (!all.empty()) {
        last = std::move(all.back());
        all.pop_back();
      }
      return last;
    });
    if (!connection.transport) return nullptr;
    if (connection.since < oldest || !connection.transport->is_quiet()) continue;
    connection.transport->attach(executor);
    return std::move(connection.transport);
  }
}

void HttpClient::Impl::give_back(std::unique_ptr<Transport> transport) {
  transport->detach();
  IdleConnection connection{.transport = std::move(transport), .since = std::chrono::steady_clock::now()};
  idle.write([&](auto& all) {
    if (all.size() >= options.max_idle) return;
    all.push_back(std::move(connection));
  });
}

Task<std::unique_ptr<Transport>> HttpClient::Impl::connect(std::shared_ptr<Impl> self, RequestProgress& progress) {
  std::unique_ptr<Transport> transport;
  const auto timeout = self->options.connect_timeout;
  const Deadline deadline = timeout.count() > 0 ? Deadline::in(timeout) : Deadline::never();
  co_await with_deadline(connect_into(self, progress, &transport), deadline, "connecting to " + self->address.str());
  progress.connected = true;
  co_return transport;
}

Task<void> HttpClient::Impl::connect_into(std::shared_ptr<Impl> self, RequestProgress& progress, std::unique_ptr<Transport>* out) {
  const bool is_unix = self->address.kind == Address::Kind::unix_socket;
  StreamSocket socket = co_await (self->options.dial ? connect_by(self->options.dial)
                                  : is_unix          ? connect_unix(self->address, progress)
                                                     : connect_tcp(self->address, progress));
  tune(socket);
  PeerInfo peer = peer_of(socket);
  if (!self->tls) {
    *out = make_plain_transport(std::move(socket), std::move(peer));
    co_return;
  }
  const TlsConfig& config = *self->options.tls;
  const std::string name = !config.verify_peer ? std::string() : (config.server_name.empty() ? self->address.host : config.server_name);
  auto transport = make_tls_client_transport(self->tls, std::move(socket), std::move(peer), name);
  co_await transport->handshake();
  *out = std::move(transport);
}

std::string HttpClient::Impl::head_of(const ClientRequest& request, BodyMode mode) const {
  if (request.target.empty() || request.target.find_first_of(" \r\n") != std::string::npos) {
    throw Error::invalid_argument("invalid request target");
  }
  std::string head = fmt::format("{} {} HTTP/1.1\r\n", name_of(request.method), request.target);
  append_field(head, "Host", options.host_header);
  for (const Header& field : request.headers) {
    if (!is_ours(field.name)) append_field(head, field.name, field.value);
  }
  if (mode == BodyMode::streamed) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!request.body.empty() || request.method == Method::post || request.method == Method::put || request.method == Method::patch) {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  head += "\r\n";
  return head;
}

namespace {

/// The pool as a stream sees it.
using GiveBack = std::function<void(std::unique_ptr<Transport>)>;

class ClientStreamImpl final : public ClientStream {
 public:
  ClientStreamImpl(std::unique_ptr<Transport> transport, Method method, BodyMode mode, std::size_t header_bytes, GiveBack give_back)
      : transport_(std::move(transport)),
        method_(method),
        body_sent_(mode == BodyMode::whole),
        header_bytes_(header_bytes),
        give_back_(std::move(give_back)) {}

  /// Sends head and body. On failure sent_anything() tells whether a byte had left.
  Task<void> send(std::string head, const std::string& body) {
    Pieces pieces{head, body, {}};
    while (size_of(pieces) > 0) {
      const std::size_t count = transport_->try_write(pieces);
      sent_anything_ |= count > 0;
      pieces = without_prefix(pieces, count);
      if (size_of(pieces) > 0) co_await transport_->wait_writable();
    }
  }

  bool sent_anything() const { return sent_anything_; }
  bool received_anything() const { return received_anything_; }

  Task<void> read_head() {
    HeadScanner scanner;
    const HeadLimits limits{.bytes = header_bytes_, .fields = kHeaderFields};
    for (;;) {
      Refusal refusal;
      const std::optional<std::size_t> length = scanner.scan(input_.view(), limits, refusal);
      if (length) refusal = parse_response_head(input_.view().substr(0, *length), limits, method_, head_, framing_);
      if (refusal) throw malformed(refusal);
      if (length) {
        input_.consume(*length);
        scanner.reset();
        if (head_.status >= 200 || head_.status == 101) break;
        continue;  // an interim answer
      }
      const std::size_t count = co_await transport_->read_some(input_.prepare());
      if (count == 0) throw Error::unavailable("the server closed the connection without an answer");
      received_anything_ = true;
      input_.commit(count);
    }
    have_head_ = true;
    body_left_ = framing_.length;
    chunks_.reset(ChunkDecoder::Trailers::drop);
    body_read_ = framing_.body == BodyKind::none;
    release_if_done();
  }

  Task<void> wait_head(Deadline deadline) override {
    if (!have_head_) co_await with_deadline(read_head(), deadline, "waiting for the server's answer");
  }

  const ResponseHead& head() const override {
    SOCKERLESS_ASSERT(have_head_, "wait_head was awaited");
    return head_;
  }

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    SOCKERLESS_ASSERT(have_head_, "wait_head was awaited");
    if (body_read_ || buffer.empty()) co_return 0;
    if (!transport_) throw Error::cancelled();
    const std::size_t count = co_await (framing_.body == BodyKind::chunked ? read_chunked(buffer) : read_plain(buffer));
    release_if_done();
    co_return count;
  }

  Task<void> write(std::span<const std::byte> data) override {
    SOCKERLESS_ASSERT(!body_sent_, "the request's body is open");
    if (data.empty()) co_return;
    if (!transport_) throw Error::unavailable("the server has ended the exchange");
    const std::string size = fmt::format("{:x}\r\n", data.size());
    co_await write_all(*transport_, {size, as_text(data), "\r\n"});
  }

  Task<void> finish_body() override {
    if (body_sent_) co_return;
    if (!transport_) throw Error::unavailable("the server has ended the exchange");
    co_await write_all(*transport_, {"0\r\n\r\n", {}, {}});
    body_sent_ = true;
    release_if_done();
  }

  void close() override {
    if (transport_) transport_->close();
    framing_.keep_alive = false;
  }

  bool is_raw() const { return head_.status == 101 || (head_.status == 200 && framing_.body == BodyKind::until_close); }
  std::unique_ptr<ByteStream> take_stream() { return std::make_unique<HijackedStream>(std::move(transport_), std::move(input_)); }

 private:
  static Error malformed(const Refusal& refusal) {
    return {ErrorCode::internal, fmt::format("the server's answer is malformed: {}", refusal.text)};
  }

  void release_if_done() {
    if (!have_head_ || !body_read_ || !body_sent_ || !transport_ || head_.status == 101) return;
    if (framing_.keep_alive && input_.empty()) {
      give_back_(std::move(transport_));
    } else {
      transport_->close();
    }
  }

  Task<std::size_t> read_plain(std::span<std::byte> buffer) {
    const bool counted = framing_.body == BodyKind::length;
    const auto wanted = counted ? static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), body_left_)) : buffer.size();
    const std::size_t count = input_.empty() ? co_await transport_->read_some(buffer.first(wanted)) : input_.take(buffer, wanted);
    if (!counted) {
      body_read_ = count == 0;
      co_return count;
    }
    if (count == 0) throw Error::unavailable("the server closed the connection in the middle of its answer");
    body_left_ -= count;
    body_read_ = body_left_ == 0;
    co_return count;
  }

  Task<std::size_t> read_chunked(std::span<std::byte> buffer) {
    for (;;) {
      std::string_view input = input_.view();
      Refusal refusal;
      const std::size_t available = chunks_.advance(input, refusal);
      input_.consume(input_.size() - input.size());
      if (refusal) throw malformed(refusal);
      if (available > 0) {
        const std::size_t count = input_.take(buffer, available);
        chunks_.take(count);
        if (chunks_.chunk_left() == 0) finish_chunk();
        co_return count;
      }
      if (chunks_.done()) {
        body_read_ = true;
        co_return 0;
      }
      const std::size_t count = co_await transport_->read_some(input_.prepare());
      if (count == 0) throw Error::unavailable("the server closed the connection in the middle of its answer");
      input_.commit(count);
    }
  }

  /// Sees the end of the body as soon as it is in the buffer, so that the connection is free before the reader asks for more.
  void finish_chunk() {
    std::string_view input = input_.view();
    Refusal refusal;
    ChunkDecoder ahead = chunks_;
    if (ahead.advance(input, refusal) == 0 && !refusal && ahead.done()) {
      chunks_ = ahead;
      input_.consume(input_.size() - input.size());
      body_read_ = true;
    }
  }

  std::unique_ptr<Transport> transport_;  // null once it is back in the pool
  Method method_;
  bool body_sent_;
  std::size_t header_bytes_;
  GiveBack give_back_;
  InputBuffer input_;
  ResponseHead head_;
  Framing framing_;
  ChunkDecoder chunks_;
  std::uint64_t body_left_ = 0;
  bool have_head_ = false;
  bool body_read_ = false;
  bool sent_anything_ = false;
  bool received_anything_ = false;
};

Task<std::string> read_all(ClientStream& stream, std::size_t limit) {
  std::string body;
  std::size_t used = 0;
  for (;;) {
    if (body.size() - used < 4096) body.resize(std::max<std::size_t>(16384, body.size() * 2));
    const std::size_t count = co_await stream.read_some(std::as_writable_bytes(std::span(body.data() + used, body.size() - used)));
    used += count;
    if (used > limit) throw Error::too_large("the server's answer is larger than {} bytes", limit);
    if (count == 0) break;
  }
  body.resize(used);
  co_return body;
}

/// Sends, and for a whole request waits for the head. A server that answers without reading all of the body is heard.
Task<void> send_and_wait(ClientStreamImpl& stream, std::string head, const std::string& body, BodyMode mode) {
  std::optional<Error> failure;
  try {
    co_await stream.send(std::move(head), body);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable || !stream.sent_anything() || mode == BodyMode::streamed) throw;
    failure = error;
  }
  if (mode == BodyMode::streamed) co_return;
  try {
    co_await stream.read_head();
  } catch (const Error& error) {
    if (!failure || error.code() == ErrorCode::cancelled) throw;
    throw Error(*failure);
  }
}

/// Tells the caller how far the stream came, however the attempt ends.
class ProgressReport {
 public:
  ProgressReport(const ClientStreamImpl& stream, RequestProgress& progress) : stream_(&stream), progress_(progress) {}
  ~ProgressReport() {
    progress_.sent |= stream_->sent_anything();
    progress_.answered |= stream_->received_anything();
  }
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;

 private:
  const ClientStreamImpl* stream_;
  RequestProgress& progress_;
};

}  // namespace

Task<void> HttpClient::Impl::open_into(std::shared_ptr<Impl> self, ClientRequest request, BodyMode mode, RequestProgress& progress,
                                       std::unique_ptr<ClientStream>* out) {
  const std::string head = self->head_of(request, mode);
  GiveBack give_back = [self](std::unique_ptr<Transport> transport) { self->give_back(std::move(transport)); };
  for (;;) {
    std::unique_ptr<Transport> transport = self->take_idle(co_await asio::this_coro::executor);
    const bool reused = transport != nullptr;
    progress.connected |= reused;
    if (!reused) transport = co_await connect(self, progress);
    auto stream = std::make_unique<ClientStreamImpl>(std::move(transport), request.method, mode, self->options.header_bytes, give_back);
    const ProgressReport report(*stream, progress);
    try {
      co_await send_and_wait(*stream, head, request.body, mode);
      *out = std::move(stream);  // the same object, so the report still sees it
      co_return;
    } catch (const Error& error) {
      const bool stale = reused && error.code() == ErrorCode::unavailable && !stream->received_anything();
      if (!stale || (stream->sent_anything() && !is_idempotent(request.method))) throw;
      progress.repeated |= stream->sent_anything();
    }
  }
}

Task<void> HttpClient::Impl::request_into(std::shared_ptr<Impl> self, ClientRequest request, RequestProgress& progress, Response* out) {
  std::unique_ptr<ClientStream> stream;
  co_await open_into(self, std::move(request), BodyMode::whole, progress, &stream);
  out->status = stream->head().status;
  out->headers = stream->head().headers;
  out->body = co_await read_all(*stream, self->options.max_response_bytes);
}

Task<void> HttpClient::Impl::upgrade_into(std::shared_ptr<Impl> self, ClientRequest request, RequestProgress& progress, Upgraded* out) {
  if (!request.headers.contains("Connection")) request.headers.add("Connection", "Upgrade");
  if (!request.headers.contains("Upgrade")) request.headers.add("Upgrade", "tcp");
  const std::string head = self->head_of(request, BodyMode::whole);
  ClientStreamImpl stream(co_await connect(self, progress), request.method, BodyMode::whole, self->options.header_bytes,
                          [self](std::unique_ptr<Transport> transport) { self->give_back(std::move(transport)); });
  const ProgressReport report(stream, progress);
  co_await send_and_wait(stream, head, request.body, BodyMode::whole);
  out->head = stream.head();
  if (stream.is_raw()) {
    out->stream = stream.take_stream();
  } else {
    out->body = co_await read_all(stream, kMaxRefusalBody);
  }
}

Task<void> HttpClient::Impl::websocket_into(std::shared_ptr<Impl> self, std::string target, Headers headers,
                                            std::unique_ptr<WebSocket>* out) {
  RequestProgress progress;
  *out = co_await connect_websocket_on(co_await connect(self, progress), self->options.host_header, std::move(target), std::move(headers));
}

Task<void> HttpClient::Impl::connect_raw_into(std::shared_ptr<Impl> self, Reuse reuse, RequestProgress& progress,
                                              std::optional<RawConnection>* out) {
  std::unique_ptr<Transport> transport;
  if (reuse == Reuse::yes) transport = self->take_idle(co_await asio::this_coro::executor);
  const bool was_kept = transport != nullptr;
  progress.connected |= was_kept;
  if (!was_kept) transport = co_await connect(self, progress);
  out->emplace(std::move(transport), was_kept, [self](std::unique_ptr<Transport> kept) { self->give_back(std::move(kept)); });
}

HttpClient::HttpClient(Address address, ClientOptions options) : impl_(std::make_shared<Impl>(std::move(address), std::move(options))) {}

HttpClient::~HttpClient() = default;

const Address& HttpClient::address() const { return impl_->address; }

std::size_t HttpClient::idle_count() const {
  return impl_->idle.read([](const auto& all) { return all.size(); });
}

void HttpClient::drop_idle() {
  std::vector<IdleConnection> dropped = impl_->idle.write([](auto& all) { return std::exchange(all, {}); });
}

Task<Response> HttpClient::request(ClientRequest request, Deadline deadline, RequestProgress* progress) {
  RequestProgress own;
  Response response;
  std::string what = impl_->describe(request.method, request.target);
  co_await with_deadline(Impl::request_into(impl_, std::move(request), progress ? *progress : own, &response), deadline, std::move(what));
  co_return response;
}

Task<std::unique_ptr<ClientStream>> HttpClient::open(ClientRequest request, BodyMode mode, Deadline deadline, RequestProgress* progress) {
  RequestProgress own;
  SOCKERLESS_ASSERT(mode == BodyMode::whole || request.body.empty(), "a streamed body is written to the stream");
  std::unique_ptr<ClientStream> stream;
  std::string what = impl_->describe(request.method, request.target);
  co_await with_deadline(Impl::open_into(impl_, std::move(request), mode, progress ? *progress : own, &stream), deadline, std::move(what));
  co_return stream;
}

Task<Upgraded> HttpClient::upgrade(ClientRequest request, Deadline deadline, RequestProgress* progress) {
  RequestProgress own;
  Upgraded upgraded;
  std::string what = impl_->describe(request.method, request.target);
  co_await with_deadline(Impl::upgrade_into(impl_, std::move(request), progress ? *progress : own, &upgraded), deadline, std::move(what));
  co_return upgraded;
}

Task<std::unique_ptr<WebSocket>> HttpClient::websocket(std::string target, Headers headers, Deadline deadline) {
  std::unique_ptr<WebSocket> socket;
  std::string what = impl_->describe(Method::get, target);
  co_await with_deadline(Impl::websocket_into(impl_, std::move(target), std::move(headers), &socket), deadline, std::move(what));
  co_return socket;
}

Task<RawConnection> HttpClient::connect_raw(Reuse reuse, Deadline deadline, RequestProgress* progress) {
  RequestProgress own;
  std::optional<RawConnection> connection;
  co_await with_deadline(Impl::connect_raw_into(impl_, reuse, progress ? *progress : own, &connection), deadline,
                         "connecting to " + impl_->address.str());
  co_return std::move(*connection);
}

}  // namespace sockerless::net
