#include "backend/remote_wire.hpp"

#include <algorithm>
#include <vector>

#include "base/byte_stream.hpp"

namespace sockerless::internal {

namespace {

constexpr std::size_t kPiece = 64UL * 1024;
constexpr std::size_t kMessage = 256UL * 1024;
constexpr std::size_t kMaxErrorBody = 1024UL * 1024;

bool is_failure(int status) { return status >= 300; }

Deadline deadline_of(Patience patience, std::chrono::steady_clock::duration timeout) {
  return patience == Patience::endless ? Deadline::never() : Deadline::in(timeout);
}

/// The body of an answer.
class AnswerSource final : public ByteSource {
 public:
  explicit AnswerSource(std::unique_ptr<net::ClientStream> stream) : stream_(std::move(stream)), buffer_(kPiece) {}

  Task<std::span<const std::byte>> next() override {
    if (!early_.empty()) {
      buffer_.assign(as_bytes(early_).begin(), as_bytes(early_).end());
      early_.clear();
      co_return buffer_;
    }
    buffer_.resize(kPiece);
    const std::size_t size = co_await stream_->read_some(buffer_);
    co_return std::span<const std::byte>(buffer_).first(size);
  }

  net::ClientStream& stream() { return *stream_; }
  /// What came before the upload was through.
  void add_early(std::span<const std::byte> bytes) { early_ += as_text(bytes); }

 private:
  std::unique_ptr<net::ClientStream> stream_;
  std::vector<std::byte> buffer_;
  std::string early_;
};

Task<void> throw_failure(AnswerSource& answer) {
  const int status = answer.stream().head().status;
  const std::string body = co_await read_all(answer, kMaxErrorBody);
  throw error_of_answer(status, body);
}

// An upload and its answer overlap: a server may answer before it has read everything (to refuse, or to report progress). One coroutine
// sends, the other waits for the head and keeps what comes until the upload is through. The second ends the exchange, so that a refusal
// does not wait for an archive that nobody reads any more.
struct UploadProgress {
  bool sent = false;
  Signal never;
};

Task<void> send_upload(net::ClientStream& stream, ByteSource& upload, UploadProgress& progress) {
  bool is_read = true;
  while (is_read) {
    const auto bytes = co_await upload.next();
    if (bytes.empty()) break;
    try {
      co_await stream.write(bytes);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
      is_read = false;  // the server reads no more: its answer says why
    }
  }
  if (is_read) co_await stream.finish_body();
  progress.sent = true;
  co_await progress.never.wait_changed(progress.never.version());
}

Task<void> await_answer(AnswerSource& answer, UploadProgress& progress) {
  co_await answer.stream().wait_head(Deadline::never());
  if (is_failure(answer.stream().head().status)) co_await throw_failure(answer);
  std::vector<std::byte> buffer(kPiece);
  while (!progress.sent) {
    const std::size_t size = co_await answer.stream().read_some(buffer);
    if (size == 0) co_return;
    answer.add_early(std::span<const std::byte>(buffer).first(size));
  }
}

/// Passes whole lines on, until one says that the stream has failed.
class LineSource final : public ByteSource {
 public:
  explicit LineSource(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)) {}

  Task<std::span<const std::byte>> next() override {
    text_.erase(0, given_);
    given_ = 0;
    if (failure_) throw *failure_;
    while (given_ == 0) {
      const auto bytes = co_await bytes_->next();
      if (bytes.empty()) {
        given_ = text_.size();  // a last line without its end
        break;
      }
      text_ += as_text(bytes);
      find_lines();
      if (failure_ && given_ == 0) throw *failure_;
    }
    co_return as_bytes(std::string_view(text_).substr(0, given_));
  }

 private:
  void find_lines() {
    while (!failure_) {
      const std::size_t end = text_.find('\n', given_);
      if (end == std::string::npos) return;
      failure_ = find_error_line(std::string_view(text_).substr(given_, end - given_));
      if (!failure_) given_ = end + 1;
    }
  }

  std::unique_ptr<ByteSource> bytes_;
  std::string text_;
  std::size_t given_ = 0;  // of text_, to the caller
  std::optional<Error> failure_;
};

/// The server's side of a session over a WebSocket.
class SocketReader final : public ByteSource {
 public:
  explicit SocketReader(std::unique_ptr<net::WebSocket> socket) : socket_(std::move(socket)) {}

  Task<Framing> read_framing() {
    const auto message = co_await socket_->read();
    if (!message || message->kind != net::WebSocket::Kind::text) throw Error::unavailable("the backend's stream did not begin");
    const Control control = parse_control(message->data);
    if (control.error) throw *control.error;
    co_return control.framing.value_or(Framing::multiplexed);
  }

  Task<std::span<const std::byte>> next() override {
    for (;;) {
      auto message = co_await socket_->read();
      if (!message) co_return std::span<const std::byte>{};
      data_ = std::move(message->data);
      if (message->kind == net::WebSocket::Kind::binary && !data_.empty()) co_return as_bytes(data_);
      if (message->kind == net::WebSocket::Kind::binary) continue;
      const Control control = parse_control(data_);
      if (control.error) throw *control.error;
      if (control.stdin_error) stdin_error_ = control.stdin_error;
    }
  }

  net::WebSocket& socket() { return *socket_; }
  const std::optional<Error>& stdin_error() const { return stdin_error_; }

 private:
  std::unique_ptr<net::WebSocket> socket_;
  std::string data_;
  std::optional<Error> stdin_error_;
};

class RemoteSession final : public AttachSession {
 public:
  RemoteSession(std::unique_ptr<SocketReader> reader, Framing framing) : reader_(std::move(reader)), framing_(framing) {}

  Framing framing() const override { return framing_; }
  ByteSource& output() override { return *reader_; }

  Task<void> write_stdin(std::span<const std::byte> input) override {
    while (!input.empty()) {
      if (reader_->stdin_error()) throw *reader_->stdin_error();
      const auto piece = input.first(std::min(input.size(), kMessage));
      input = input.subspan(piece.size());
      co_await reader_->socket().write({net::WebSocket::Kind::binary, std::string(as_text(piece))});
    }
  }

  Task<void> close_stdin() override { co_await reader_->socket().write({net::WebSocket::Kind::text, {}}); }

 private:
  std::unique_ptr<SocketReader> reader_;
  const Framing framing_;
};

class RemoteWait final : public ContainerWait {
 public:
  explicit RemoteWait(std::unique_ptr<net::WebSocket> socket) : socket_(std::move(socket)) {}

  Task<api::ContainerWaitResponse> result() override {
    const auto message = co_await socket_->read();
    if (!message) throw Error::unavailable("the backend ended the wait without a result");
    const Control control = parse_control(message->data);
    if (control.error) throw *control.error;
    co_return Wire::parse_answer<api::ContainerWaitResponse>(message->data);
  }

 private:
  std::unique_ptr<net::WebSocket> socket_;
};

}  // namespace

Wire::Wire(RemoteOptions options)
    : client_(std::move(options.address), net::ClientOptions{.tls = std::move(options.tls)}), timeout_(options.timeout) {}

Task<std::string> Wire::exchange(Outgoing request, std::string body, Patience patience) {
  if (!body.empty()) request.headers.set("Content-Type", "application/json");
  net::Response answer = co_await client_.request(
      {.method = request.method, .target = std::move(request.target), .headers = std::move(request.headers), .body = std::move(body)},
      deadline_of(patience, timeout_));
  if (is_failure(answer.status)) throw error_of_answer(answer.status, answer.body);
  co_return std::move(answer.body);
}

Task<Incoming> Wire::open(Outgoing request, std::unique_ptr<ByteSource> upload) {
  net::ClientRequest head{.method = request.method, .target = std::move(request.target), .headers = std::move(request.headers), .body = {}};
  if (upload == nullptr) {
    auto answer = std::make_unique<AnswerSource>(co_await client_.open(std::move(head), net::BodyMode::whole, Deadline::never()));
    if (is_failure(answer->stream().head().status)) co_await throw_failure(*answer);
    net::ResponseHead answered = answer->stream().head();
    co_return Incoming{std::move(answered), std::move(answer)};
  }
  head.headers.set("Content-Type", "application/x-tar");
  auto answer = std::make_unique<AnswerSource>(co_await client_.open(std::move(head), net::BodyMode::streamed, Deadline::in(timeout_)));
  UploadProgress progress;
  co_await race(await_answer(*answer, progress), send_upload(answer->stream(), *upload, progress));
  net::ResponseHead answered = answer->stream().head();
  co_return Incoming{std::move(answered), std::move(answer)};
}

std::unique_ptr<ByteSource> Wire::as_lines(std::unique_ptr<ByteSource> bytes) { return std::make_unique<LineSource>(std::move(bytes)); }

Task<std::unique_ptr<net::WebSocket>> Wire::connect(Outgoing request) {
  co_return co_await client_.websocket(std::move(request.target), std::move(request.headers), Deadline::in(timeout_));
}

Task<std::optional<std::string>> LineReader::next() {
  for (;;) {
    const std::size_t end = pending_.find('\n', used_);
    if (end != std::string::npos) {
      std::string line = pending_.substr(used_, end - used_);
      used_ = end + 1;
      co_return line;
    }
    pending_.erase(0, used_);
    used_ = 0;
    const auto bytes = co_await lines_->next();
    if (bytes.empty()) co_return std::nullopt;
    pending_ += as_text(bytes);
  }
}

Task<OutputStream> read_output(std::unique_ptr<net::WebSocket> socket) {
  auto reader = std::make_unique<SocketReader>(std::move(socket));
  const Framing framing = co_await reader->read_framing();
  co_return OutputStream{framing, std::move(reader)};
}

Task<std::unique_ptr<AttachSession>> read_session(std::unique_ptr<net::WebSocket> socket) {
  auto reader = std::make_unique<SocketReader>(std::move(socket));
  const Framing framing = co_await reader->read_framing();
  co_return std::make_unique<RemoteSession>(std::move(reader), framing);
}

std::unique_ptr<ContainerWait> read_wait(std::unique_ptr<net::WebSocket> socket) { return std::make_unique<RemoteWait>(std::move(socket)); }

}  // namespace sockerless::internal
