#include "backend/internal_router.hpp"

#include <algorithm>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless::internal {

namespace {

constexpr std::size_t kPiece = 64UL * 1024;
constexpr std::size_t kMessage = 256UL * 1024;

const net::Headers kJson = {{"Content-Type", "application/json"}};

/// Sends what a source gives; the head with the first piece. @param head_sent  set when the answer has begun.
Task<void> pump_source(net::Exchange& exchange, ByteSource& source, net::Headers headers, net::BodyWriter*& writer) {
  for (;;) {
    const auto bytes = co_await source.next();
    if (writer == nullptr) writer = co_await exchange.respond_stream(200, headers);
    if (bytes.empty()) co_return;
    co_await writer->write(bytes);
  }
}

Task<void> pump_lines(net::Exchange& exchange, const std::function<Task<std::string>()>& next_line, net::BodyWriter*& writer) {
  writer = co_await exchange.respond_stream(200, kJson);
  for (;;) {
    const std::string line = co_await next_line();
    if (line.empty()) co_return;
    co_await writer->write(as_bytes(line));
  }
}

/// Ends a stream of lines: well, or with its failure as the last line. A client that is gone is told nothing.
Task<void> finish_lines(net::BodyWriter* writer, std::exception_ptr failure) {
  if (failure) {
    const Error error = error_of(failure);
    if (writer == nullptr || error.code() == ErrorCode::cancelled) std::rethrow_exception(failure);
    co_await writer->write(as_bytes(error_line(error)));
  }
  co_await writer->finish();
}

/// Writes messages for two coroutines of one strand, one message at a time.
class MessageWriter {
 public:
  explicit MessageWriter(net::WebSocket& socket) : socket_(socket) {}

  Task<void> text(std::string data) { return write({net::WebSocket::Kind::text, std::move(data)}); }

  Task<void> binary(std::span<const std::byte> data) {
    for (; !data.empty(); data = data.subspan(std::min(data.size(), kMessage))) {
      co_await write({net::WebSocket::Kind::binary, std::string(as_text(data.first(std::min(data.size(), kMessage))))});
    }
  }

 private:
  struct Turn {
    explicit Turn(MessageWriter& its) : writer(its) { writer.busy_ = true; }
    ~Turn() {
      writer.busy_ = false;
      writer.free_.notify();
    }
    MessageWriter& writer;
  };

  Task<void> write(net::WebSocket::Message message) {
    while (busy_) co_await free_.wait_changed(free_.version());
    const Turn turn(*this);
    co_await socket_.write(std::move(message));
  }

  net::WebSocket& socket_;
  bool busy_ = false;
  Signal free_;
};

Task<void> pump_output(ByteSource& output, MessageWriter& writer) {
  for (;;) {
    const auto bytes = co_await output.next();
    if (bytes.empty()) co_return;
    co_await writer.binary(bytes);
  }
}

/// Until the client closes or is gone. Its messages mean nothing here.
Task<void> drain(net::WebSocket& socket) {
  while (co_await socket.read()) {}
}

/// Hands the client's input over until the client closes. Input that is not taken any more is dropped, after telling the client once.
Task<void> pump_input(net::WebSocket& socket, AttachSession& session, MessageWriter& writer) {
  bool taken = true;
  while (const auto message = co_await socket.read()) {
    if (!taken) continue;
    std::optional<Error> refused;
    try {
      if (message->data.empty()) {
        co_await session.close_stdin();
      } else {
        co_await session.write_stdin(as_bytes(message->data));
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      refused = error;
    }
    if (!refused) continue;
    taken = false;
    co_await writer.text(control_stdin_error(*refused));
  }
}

/// Runs `work`, then says good-bye, with the failure where there was one.
Task<void> work_and_close(net::WebSocket& socket, MessageWriter& writer, Task<void> work) {
  std::optional<Error> failure;
  try {
    co_await std::move(work);
  } catch (...) {
    failure = current_error();
  }
  if (failure && failure->code() == ErrorCode::cancelled) throw Error(*failure);
  if (failure) co_await writer.text(control_error(*failure));
  co_await socket.close(failure ? net::WebSocket::CloseCode::internal : net::WebSocket::CloseCode::normal, {});
}

/// Runs `work` beside `input`, whose end is the client's leaving. The good-bye belongs to the work: a read that is cancelled would break
/// the socket, one that is pending ends with the good-bye.
Task<void> run_session(net::WebSocket& socket, MessageWriter& writer, Task<void> work, Task<void> input) {
  std::optional<Error> failure;
  try {
    co_await race(work_and_close(socket, writer, std::move(work)), std::move(input));
  } catch (...) {
    failure = current_error();
  }
  if (failure && failure->code() != ErrorCode::unavailable) throw Error(*failure);  // unavailable: the client is gone, nobody to tell
}

Task<void> send_result(ContainerWait& wait, MessageWriter& writer) {
  const api::ContainerWaitResponse result = co_await wait.result();
  co_await writer.text(api::to_json(result));
}

}  // namespace

Task<void> respond_json(net::Exchange& exchange, int status, std::string json) {
  co_await exchange.respond(status, kJson, std::move(json));
}

Task<void> respond_nothing(net::Exchange& exchange, int status) { co_await exchange.respond(status, {}, {}); }

Task<void> respond_source(net::Exchange& exchange, std::unique_ptr<ByteSource> source, Content content, net::Headers headers) {
  headers.set("Content-Type", content == Content::tar ? "application/x-tar" : "application/json");
  net::BodyWriter* writer = nullptr;
  std::exception_ptr failure;
  bool client_gone = false;
  try {
    client_gone = co_await race(pump_source(exchange, *source, std::move(headers), writer), exchange.until_client_gone()) == First::other;
  } catch (...) {
    failure = std::current_exception();
  }
  source.reset();
  if (client_gone) throw Error::unavailable("the client is gone");
  if (failure && content == Content::tar) std::rethrow_exception(failure);
  co_await finish_lines(writer, failure);
}

Task<void> respond_lines(net::Exchange& exchange, std::function<Task<std::string>()> next_line) {
  net::BodyWriter* writer = nullptr;
  std::exception_ptr failure;
  bool client_gone = false;
  try {
    client_gone = co_await race(pump_lines(exchange, next_line, writer), exchange.until_client_gone()) == First::other;
  } catch (...) {
    failure = std::current_exception();
  }
  if (client_gone) throw Error::unavailable("the client is gone");
  co_await finish_lines(writer, failure);
}

Task<void> respond_output(net::Exchange& exchange, OutputStream output) {
  net::BodyWriter* writer = co_await exchange.respond_stream(200, {{"Content-Type", std::string(content_type(output.framing))}});
  if (co_await race(pump_source(exchange, *output.bytes, {}, writer), exchange.until_client_gone()) == First::one)
    co_await writer->finish();
}

Task<void> serve_output(net::Exchange& exchange, OutputStream output) {
  const auto socket = co_await exchange.accept_websocket({});
  MessageWriter writer(*socket);
  co_await writer.text(control_framing(output.framing));
  co_await run_session(*socket, writer, pump_output(*output.bytes, writer), drain(*socket));
}

Task<void> serve_session(net::Exchange& exchange, std::unique_ptr<AttachSession> session) {
  if (session == nullptr) throw Error::invalid_argument("a detached exec is started by POST");
  const auto socket = co_await exchange.accept_websocket({});
  MessageWriter writer(*socket);
  co_await writer.text(control_framing(session->framing()));
  co_await run_session(*socket, writer, pump_output(session->output(), writer), pump_input(*socket, *session, writer));
}

Task<void> serve_wait(net::Exchange& exchange, std::unique_ptr<ContainerWait> wait) {
  const auto socket = co_await exchange.accept_websocket({});
  MessageWriter writer(*socket);
  co_await run_session(*socket, writer, send_result(*wait, writer), drain(*socket));
}

// ---- LentBody

struct LentBody::State {
  Guarded<bool> lent{false};
  Signal released;
};

class LentBody::Source final : public ByteSource {
 public:
  Source(net::BodyReader& body, std::shared_ptr<State> state) : body_(body), state_(std::move(state)), buffer_(kPiece) {}
  ~Source() override {
    state_->lent.write([](bool& lent) { lent = false; });
    state_->released.notify();
  }

  Task<std::span<const std::byte>> next() override {
    const std::size_t size = co_await body_.read_some(buffer_);
    co_return std::span<const std::byte>(buffer_).first(size);
  }

 private:
  net::BodyReader& body_;
  const std::shared_ptr<State> state_;  // shared with the LentBody, which waits for it
  std::vector<std::byte> buffer_;
};

LentBody::LentBody(net::Exchange& exchange) : exchange_(exchange), state_(std::make_shared<State>()) {}

std::unique_ptr<ByteSource> LentBody::lend() {
  state_->lent.write([](bool& lent) { lent = true; });
  return std::make_unique<Source>(exchange_.body(), state_);
}

Task<void> LentBody::released() {
  for (;;) {
    const std::uint64_t seen = state_->released.version();
    if (!state_->lent.read([](bool lent) { return lent; })) co_return;
    co_await state_->released.wait_changed(seen);
  }
}

// ---- Router

void Router::add(net::Method method, std::string_view path, Answer answer) {
  Route route{.method = method, .prefix = path, .suffix = {}, .has_parameter = false, .with_slashes = false, .answer = std::move(answer)};
  if (const std::size_t open = path.find('{'); open != std::string_view::npos) {
    const std::size_t close = path.find('}', open);
    route.prefix = path.substr(0, open);
    route.suffix = path.substr(close + 1);
    route.has_parameter = true;
    route.with_slashes = path.substr(open, close + 1 - open) == "{name}";
  }
  const auto comes_first = [](const Route& a, const Route& b) {
    return a.has_parameter != b.has_parameter ? !a.has_parameter : a.suffix.size() > b.suffix.size();
  };
  routes_.insert(std::ranges::upper_bound(routes_, route, comes_first), std::move(route));
}

const Router::Route* Router::find(net::Method method, std::string_view path, std::string* parameter) const {
  for (const Route& route : routes_) {
    if (route.method != method) continue;
    if (!route.has_parameter) {
      if (path == route.prefix) return &route;
      continue;
    }
    if (path.size() <= route.prefix.size() + route.suffix.size() || !path.starts_with(route.prefix) || !path.ends_with(route.suffix))
      continue;
    const std::string_view middle = path.substr(route.prefix.size(), path.size() - route.prefix.size() - route.suffix.size());
    if (!route.with_slashes && middle.find('/') != std::string_view::npos) continue;
    *parameter = api::percent_decode(middle);
    return &route;
  }
  return nullptr;
}

Task<void> Router::handle(Backend& backend, net::Exchange& exchange) const {
  std::string_view path = exchange.request().path;
  std::string parameter;
  const Route* route = nullptr;
  if (path.starts_with(kPrefix)) {
    path.remove_prefix(kPrefix.size());
    route = find(exchange.request().method, path, &parameter);
  }
  if (route == nullptr) throw Error::not_found("page not found");
  Request request{backend, exchange, std::move(parameter), api::Query::parse(exchange.request().query)};
  co_await route->answer(request);
}

}  // namespace sockerless::internal
