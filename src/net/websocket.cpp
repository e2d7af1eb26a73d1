#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/json/parse.hpp>

#include "base/error.hpp"
#include "net/websocket_impl.hpp"

// The protocol is Beast's; what is here lets it run over a Transport, one instantiation for unix sockets, TCP and TLS.
namespace sockerless::net {

namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using IoHandler = asio::any_completion_handler<void(error_code, std::size_t)>;

constexpr std::size_t kMaxMessage = 16UL * 1024 * 1024;
constexpr std::chrono::seconds kHandshakeTime{10};  // of the close as well
constexpr std::size_t kStreamMessage = 64UL * 1024;

error_code code_of(const std::exception_ptr& failure) {
  if (!failure) return {};
  return error_of(failure).code() == ErrorCode::cancelled ? error_code(asio::error::operation_aborted)
                                                          : error_code(asio::error::connection_reset);
}

struct Connection {
  std::unique_ptr<Transport> transport;
  InputBuffer input;
};

Task<std::size_t> read_from(std::shared_ptr<Connection> connection, std::span<std::byte> buffer) {
  if (!connection->input.empty()) co_return connection->input.take(buffer, buffer.size());
  co_return co_await connection->transport->read_some(buffer);
}

Task<std::size_t> write_to(std::shared_ptr<Connection> connection, Pieces pieces) {
  for (;;) {
    const std::size_t count = connection->transport->try_write(pieces);
    if (count > 0 || size_of(pieces) == 0) co_return count;
    co_await connection->transport->wait_writable();
  }
}

void start(const asio::any_io_executor& executor, Task<std::size_t> operation, bool zero_is_eof, IoHandler handler) {
  const auto slot = asio::get_associated_cancellation_slot(handler);
  asio::co_spawn(executor, std::move(operation),
                 asio::bind_cancellation_slot(
                     slot, [handler = std::move(handler), zero_is_eof](const std::exception_ptr& failure, std::size_t count) mutable {
                       error_code error = code_of(failure);
                       if (!error && count == 0 && zero_is_eof) error = asio::error::eof;
                       std::move(handler)(error, error ? 0 : count);
                     }));
}

/// A Transport as what Beast calls an AsyncStream.
class TransportStream {
 public:
  using executor_type = asio::any_io_executor;

  TransportStream(asio::any_io_executor executor, std::unique_ptr<Transport> transport, InputBuffer input)
      : executor_(std::move(executor)), connection_(std::make_shared<Connection>(std::move(transport), std::move(input))) {}

  executor_type get_executor() const { return executor_; }
  Transport& transport() { return *connection_->transport; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    std::span<std::byte> first;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers) && first.empty(); ++it) {
      const asio::mutable_buffer buffer(*it);
      first = {static_cast<std::byte*>(buffer.data()), buffer.size()};
    }
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [](auto handler, TransportStream* self, std::span<std::byte> into) {
          start(self->executor_, read_from(self->connection_, into), !into.empty(), IoHandler(std::move(handler)));
        },
        token, this, first);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    Pieces pieces{};
    std::size_t used = 0;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers) && used < pieces.size(); ++it) {
      const asio::const_buffer buffer(*it);
      if (buffer.size() > 0) pieces[used++] = {static_cast<const char*>(buffer.data()), buffer.size()};
    }
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [](auto handler, TransportStream* self, const Pieces& from) {
          start(self->executor_, write_to(self->connection_, from), false, IoHandler(std::move(handler)));
        },
        token, this, pieces);
  }

 private:
  asio::any_io_executor executor_;
  std::shared_ptr<Connection> connection_;  // shared with the operations under way, which Beast may outlive
};

// Beast's hooks, found by argument-dependent look-up.

[[maybe_unused]] void teardown(beast::role_type /*role*/, TransportStream& stream, error_code& error) {
  stream.transport().close();
  error = {};
}

template <typename Handler>
void async_teardown(beast::role_type /*role*/, TransportStream& stream, Handler&& handler) {
  stream.transport().close();
  asio::post(stream.get_executor(), [kept = std::forward<Handler>(handler)]() mutable { std::move(kept)(error_code()); });
}

[[maybe_unused]] void beast_close_socket(TransportStream& stream) { stream.transport().close(); }

using Stream = websocket::stream<TransportStream, false>;

void raise(const error_code& error) {
  if (!error) return;
  if (error == asio::error::operation_aborted) throw Error::cancelled();
  throw Error(ErrorCode::unavailable, "the WebSocket connection broke", error.message());
}

class BeastWebSocket final : public WebSocket {
 public:
  BeastWebSocket(asio::any_io_executor executor, std::unique_ptr<Transport> transport, InputBuffer input)
      : stream_(std::move(executor), std::move(transport), std::move(input)) {
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = kHandshakeTime;
    // No idle time: a reader that pauses is not a dead peer. TCP's keep-alive finds those.
    timeout.idle_timeout = websocket::stream_base::none();
    timeout.keep_alive_pings = false;
    stream_.set_option(timeout);
    stream_.read_message_max(kMaxMessage);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(kStreamMessage);
  }

  Stream& stream() { return stream_; }

  Task<std::optional<Message>> read() override {
    buffer_.clear();
    error_code error;
    co_await stream_.async_read(buffer_, asio::redirect_error(asio::use_awaitable, error));
    if (error == websocket::error::closed) {
      close_reason_ = std::string(stream_.reason().reason.data(), stream_.reason().reason.size());
      co_return std::nullopt;
    }
    raise(error);
    const auto data = buffer_.cdata();
    co_return Message{.kind = stream_.got_text() ? Kind::text : Kind::binary,
                      .data = std::string(static_cast<const char*>(data.data()), data.size())};
  }

  Task<void> write(Message message) override {
    stream_.text(message.kind == Kind::text);
    error_code error;
    co_await stream_.async_write(asio::buffer(message.data), asio::redirect_error(asio::use_awaitable, error));
    raise(error);
  }

  Task<void> close(CloseCode code, std::string reason) override {
    if (!stream_.is_open()) co_return;
    reason.resize(std::min<std::size_t>(reason.size(), 123));  // what a control frame holds
    error_code error;
    co_await stream_.async_close({static_cast<websocket::close_code>(code), reason}, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw Error::cancelled();
  }

  void abort() override { stream_.next_layer().transport().close(); }

  std::string close_reason() const override { return close_reason_; }

 private:
  Stream stream_;
  beast::flat_buffer buffer_;
  std::string close_reason_;
};

bool is_key(std::string_view key) { return key.size() == 24 && key.ends_with("=="); }

class WebSocketStream final : public ByteStream {
 public:
  explicit WebSocketStream(std::unique_ptr<WebSocket> socket) : socket_(std::move(socket)) {}

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    while (used_ == message_.size()) {
      if (read_ended_) co_return 0;
      std::optional<WebSocket::Message> next = co_await socket_->read();
      if (!next || (next->kind == WebSocket::Kind::text && next->data.empty())) {
        read_ended_ = true;
        if (next && write_ended_) co_await socket_->close(WebSocket::CloseCode::normal, {});
        co_return 0;
      }
      message_ = std::move(next->data);
      used_ = 0;
    }
    const std::size_t count = std::min(buffer.size(), message_.size() - used_);
    std::memcpy(buffer.data(), message_.data() + used_, count);
    used_ += count;
    co_return count;
  }

  Task<void> write(std::span<const std::byte> data) override {
    if (write_ended_) throw Error::unavailable("the stream's writing side is closed");
    while (!data.empty()) {
      const auto part = data.first(std::min(data.size(), kStreamMessage));
      co_await socket_->write({.kind = WebSocket::Kind::binary, .data = std::string(as_text(part))});
      data = data.subspan(part.size());
    }
  }

  Task<void> close_write() override {
    if (write_ended_) co_return;
    std::optional<Error> failure;
    try {
      co_await socket_->write({.kind = WebSocket::Kind::text, .data = {}});
      write_ended_ = true;
      if (read_ended_) co_await socket_->close(WebSocket::CloseCode::normal, {});
    } catch (...) {
      failure = current_error();
    }
    write_ended_ = true;
    if (failure && failure->code() == ErrorCode::cancelled) throw Error(*failure);  // a peer that is gone needs no end-of-file
  }

  void close() override {
    read_ended_ = write_ended_ = true;
    socket_->abort();
  }

 private:
  std::unique_ptr<WebSocket> socket_;
  std::string message_;
  std::size_t used_ = 0;
  bool read_ended_ = false;
  bool write_ended_ = false;
};

}  // namespace

void check_websocket_request(const RequestHead& request) {
  const Headers& headers = request.headers;
  if (request.method != Method::get || request.version_minor != 1 || !headers.has_token("Connection", "upgrade") ||
      !headers.has_token("Upgrade", "websocket")) {
    throw Error::invalid_argument("this endpoint speaks WebSocket: send a GET with Connection: Upgrade and Upgrade: websocket");
  }
  if (headers.find("Sec-WebSocket-Version") != "13") throw Error::invalid_argument("unsupported Sec-WebSocket-Version, 13 is the one");
  if (headers.count("Sec-WebSocket-Key") != 1 || !is_key(*headers.find("Sec-WebSocket-Key")))
    throw Error::invalid_argument("invalid Sec-WebSocket-Key");
}

Task<std::unique_ptr<WebSocket>> accept_websocket_on(std::unique_ptr<Transport> transport, InputBuffer input, const RequestHead& request,
                                                     Headers headers) {
  beast::http::request<beast::http::empty_body> handshake(beast::http::verb::get, request.target, 11);
  for (const Header& field : request.headers) handshake.insert(field.name, field.value);
  auto socket = std::make_unique<BeastWebSocket>(co_await asio::this_coro::executor, std::move(transport), std::move(input));
  socket->stream().set_option(websocket::stream_base::decorator([added = std::move(headers)](websocket::response_type& response) {
    response.erase(beast::http::field::server);
    for (const Header& field : added) response.set(field.name, field.value);
  }));
  error_code error;
  co_await socket->stream().async_accept(handshake, asio::redirect_error(asio::use_awaitable, error));
  raise(error);
  co_return socket;
}

namespace {

Error refusal_of(const websocket::response_type& response) {
  const int status = static_cast<int>(response.result_int());
  boost::json::error_code ignored;  // an answer that is not JSON is quoted by its status only
  const boost::json::value body = boost::json::parse(response.body(), ignored);
  if (!ignored && body.is_object()) {
    if (const auto* message = body.as_object().if_contains("message"); message != nullptr && message->is_string()) {
      return {error_code_of_status(status), std::string(message->get_string())};
    }
  }
  return {error_code_of_status(status), fmt::format("the server refused the WebSocket with status {}", status)};
}

}  // namespace

Task<std::unique_ptr<WebSocket>> connect_websocket_on(std::unique_ptr<Transport> transport, std::string host, std::string target,
                                                      Headers headers) {
  auto socket = std::make_unique<BeastWebSocket>(co_await asio::this_coro::executor, std::move(transport), InputBuffer());
  socket->stream().set_option(websocket::stream_base::decorator([added = std::move(headers)](websocket::request_type& request) {
    for (const Header& field : added) request.set(field.name, field.value);
  }));
  websocket::response_type response;
  error_code error;
  co_await socket->stream().async_handshake(response, host, target, asio::redirect_error(asio::use_awaitable, error));
  if (error == websocket::error::upgrade_declined) throw refusal_of(response);
  if (error.category() == beast::http::make_error_code(beast::http::error::bad_status).category()) {
    throw Error(ErrorCode::internal, "the server's answer is malformed", error.message());
  }
  raise(error);
  co_return socket;
}

std::unique_ptr<ByteStream> as_byte_stream(std::unique_ptr<WebSocket> socket) {
  return std::make_unique<WebSocketStream>(std::move(socket));
}

}  // namespace sockerless::net
