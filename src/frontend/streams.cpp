#include "frontend/streams.hpp"

#include <array>
#include <chrono>
#include <tuple>

#include "api/stream_frame.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::frontend {

namespace {

Logger log("frontend");

constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kBufferSize = 32UL * 1024;

class BodySource final : public ByteSource {
 public:
  explicit BodySource(net::Exchange& exchange) : exchange_(exchange) {}

  Task<std::span<const std::byte>> next() override {
    if (buffer_.empty()) buffer_.resize(2 * kBufferSize);
    const std::size_t count = co_await exchange_.body().read_some(buffer_);
    co_return std::span<const std::byte>(buffer_).first(count);
  }

 private:
  net::Exchange& exchange_;
  std::vector<std::byte> buffer_;
};

/// The two directions of one attachment. `Output` and `Input` differ between a hijacked connection and a WebSocket; that the input's end
/// does not end the session, and that the output's end does, is the same.
class SessionPump {
 public:
  SessionPump(std::unique_ptr<AttachSession> session, UseStdin use_stdin) : session_(std::move(session)), use_stdin_(use_stdin) {}
  virtual ~SessionPump() = default;

  Task<void> run(std::string early_input) {
    std::optional<Error> failure;
    try {
      co_await race(send_output(), receive_input(std::move(early_input)));
    } catch (...) {
      failure = current_error();
    }
    // Nobody is left to tell: the client is gone, or has what there is.
    if (failure) log.debug("session ended error={}", failure->what());
  }

 protected:
  /// Sends a piece of the output. @errors unavailable: the client is gone.
  virtual Task<void> send(std::span<const std::byte> bytes) = 0;
  virtual Task<void> finish_output() = 0;
  /// The next input; nothing when the client sends no more.
  virtual Task<std::optional<std::string_view>> receive() = 0;

  /// Called after the input has ended.
  virtual Task<void> until_client_gone() = 0;

  AttachSession& session() { return *session_; }

 private:
  Task<void> send_output() {
    std::optional<Error> failure;
    try {
      for (;;) {
        const std::span<const std::byte> piece = co_await session_->output().next();
        if (piece.empty()) break;
        co_await send(piece);
      }
    } catch (...) {
      failure = current_error();
    }
    if (failure && failure->code() == ErrorCode::cancelled) throw *failure;
    if (failure) {
      // It may be the client that failed; then this fails as well, and ends the session.
      const std::string text = error_text(*failure);
      co_await send(as_bytes(text));
    }
    co_await finish_output();
    // A close now could destroy what is on its way, if the client is sending. It closes once it has read our end.
    if (!input_ended_)
      co_await with_deadline(input_changed_.wait_changed(input_changed_.version()), Deadline::in(kLingerTime), "the client's close");
  }

  /// After the hijack there is no status left to say it with.
  std::string error_text(const Error& error) const {
    std::string line = error.message() + "\r\n";
    if (session_->framing() == Framing::raw) return line;
    std::string framed;
    api::append_frame(framed, api::StreamKind::standard_error, line);
    return framed;
  }

  Task<void> receive_input(std::string early_input) {
    bool open = use_stdin_ == UseStdin::yes;
    if (open && !early_input.empty()) open = co_await write_stdin(early_input);
    for (;;) {
      const std::optional<std::string_view> input = co_await receive();
      if (!input) break;
      if (open) open = co_await write_stdin(*input);
    }
    if (open) std::ignore = co_await try_input(session_->close_stdin());  // of a process that has ended there is nothing to close
    input_ended_ = true;
    input_changed_.notify();
    // The output goes on: only its end, or a client that is gone, ends the session.
    co_await until_client_gone();
  }

  Task<bool> write_stdin(std::string_view input) { return try_input(session_->write_stdin(as_bytes(input))); }

  /// False when the process takes no more: what else the client sends is dropped, as a closed pipe would. Its output is still to be read.
  static Task<bool> try_input(Task<void> input) {
    std::optional<Error> failure;
    try {
      co_await std::move(input);
    } catch (...) {
      failure = current_error();
    }
    if (failure && failure->code() == ErrorCode::cancelled) throw *failure;
    co_return !failure;
  }

  std::unique_ptr<AttachSession> session_;
  UseStdin use_stdin_;
  bool input_ended_ = false;
  Signal input_changed_;
};

class ConnectionPump final : public SessionPump {
 public:
  ConnectionPump(std::unique_ptr<AttachSession> session, std::unique_ptr<net::HijackedConnection> connection, UseStdin use_stdin)
      : SessionPump(std::move(session), use_stdin), connection_(std::move(connection)) {}

 private:
  Task<void> send(std::span<const std::byte> bytes) override { return connection_->write(bytes); }
  Task<void> finish_output() override { return connection_->close_write(); }
  Task<std::optional<std::string_view>> receive() override {
    const std::size_t count = co_await connection_->read_some(std::as_writable_bytes(std::span(buffer_)));
    if (count == 0) co_return std::nullopt;
    co_return std::string_view(buffer_.data(), count);
  }

  Task<void> until_client_gone() override { return connection_->until_peer_gone(); }

  std::unique_ptr<net::HijackedConnection> connection_;
  std::array<char, kBufferSize> buffer_;
};

class WebSocketPump final : public SessionPump {
 public:
  WebSocketPump(std::unique_ptr<AttachSession> session, std::unique_ptr<net::WebSocket> socket, UseStdin use_stdin,
                net::WebSocket::Kind kind)
      : SessionPump(std::move(session), use_stdin), socket_(std::move(socket)), kind_(kind) {}

 private:
  Task<void> send(std::span<const std::byte> bytes) override {
    if (session().framing() == Framing::raw) {
      co_await socket_->write({kind_, std::string(as_text(bytes))});
      co_return;
    }
    std::string_view left = as_text(bytes);
    api::FrameDecoder::Part part{};
    while (frames_.next(left, part)) co_await socket_->write({kind_, std::string(part.bytes)});
  }
  Task<void> finish_output() override { return socket_->close(net::WebSocket::CloseCode::normal, ""); }
  Task<std::optional<std::string_view>> receive() override {
    std::optional<net::WebSocket::Message> message = co_await socket_->read();
    if (!message) co_return std::nullopt;
    message_ = std::move(message->data);
    co_return std::string_view(message_);
  }

  /// A WebSocket that sends no more is closed in both directions.
  Task<void> until_client_gone() override { co_return; }

  std::unique_ptr<net::WebSocket> socket_;
  net::WebSocket::Kind kind_;
  api::FrameDecoder frames_;
  std::string message_;
};

}  // namespace

Task<void> while_client_stays(Call& call, Task<void> work) {
  const First first = co_await race(std::move(work), call.exchange.until_client_gone());
  if (first == First::other) throw Error::cancelled();
}

std::unique_ptr<ByteSource> body_source(net::Exchange& exchange) { return std::make_unique<BodySource>(exchange); }

Task<void> send_source(Call& call, net::Headers headers, std::unique_ptr<ByteSource> source) {
  std::span<const std::byte> piece = co_await source->next();
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, std::move(headers));
  while (!piece.empty()) {
    co_await out->write(piece);
    piece = co_await source->next();
  }
  co_await out->finish();
}

std::string progress_error_line(const Error& error) {
  std::string line;
  api::JsonWriter writer(line);
  writer.begin_object();
  writer.key("errorDetail");
  writer.begin_object();
  writer.key("message");
  writer.string(error.message());
  writer.end_object();
  writer.key("error");
  writer.string(error.message());
  writer.end_object();
  return line + "\r\n";
}

Task<void> send_progress(Call& call, ProgressStream progress) {
  std::span<const std::byte> piece = co_await progress->next();
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, {{"Content-Type", "application/json"}});
  std::optional<Error> failure;
  try {
    while (!piece.empty()) {
      co_await out->write(piece);
      piece = co_await progress->next();
    }
  } catch (...) {
    failure = current_error();
  }
  if (failure && failure->code() == ErrorCode::cancelled) throw *failure;
  if (failure) {
    log.info("operation failed path={} error={}", call.exchange.request().path, failure->what());
    const std::string line = progress_error_line(*failure);
    co_await out->write(as_bytes(line));
  }
  co_await out->finish();
}

Task<void> serve_session(std::unique_ptr<AttachSession> session, std::unique_ptr<net::HijackedConnection> connection, UseStdin use_stdin,
                         std::string early_input) {
  ConnectionPump pump(std::move(session), std::move(connection), use_stdin);
  co_await pump.run(std::move(early_input));
}

Task<void> serve_websocket_session(std::unique_ptr<AttachSession> session, std::unique_ptr<net::WebSocket> socket, UseStdin use_stdin,
                                   net::WebSocket::Kind kind) {
  WebSocketPump pump(std::move(session), std::move(socket), use_stdin, kind);
  co_await pump.run({});
}

}  // namespace sockerless::frontend
