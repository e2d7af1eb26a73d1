#include "net/server_connection.hpp"

#include <ctime>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "net/hijacked_stream.hpp"
#include "net/websocket_impl.hpp"

namespace sockerless::net {

namespace {

Logger log("net");

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMaxDrain = 256UL * 1024;        // of a body the handler did not want
constexpr std::size_t kCopiedBody = 512;               // up to there a copy costs less than a second piece to send
constexpr std::size_t kBackgroundLimit = 64UL * 1024;  // bytes kept while until_client_gone watches
constexpr int kTurnsToSkip = 15;
constexpr std::chrono::microseconds kAwakeForClient{100};
constexpr std::chrono::seconds kLingerTime{2};

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", made once a second and thread.
std::string_view date_line() {
  thread_local std::time_t made_for = -1;
  thread_local std::array<char, 48> text{};
  thread_local std::size_t length = 0;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != made_for) {
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    length = std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    made_for = now.tv_sec;
  }
  return {text.data(), length};
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

ServerShared::ServerShared(Handler handler_in, ServerOptions options_in) : handler(std::move(handler_in)), options(std::move(options_in)) {
  for (const Header& field : options.constant_headers) append_field(constant_lines, field.name, field.value);
}

ServerConnection::ServerConnection(std::unique_ptr<Transport> transport, std::shared_ptr<const ServerShared> shared)
    : shared_(std::move(shared)), deadline_(kNever), transport_(std::move(transport)), peer_(transport_->peer()) {
  arm(shared_->options.limits.header_timeout);
}

void ServerConnection::arm(std::chrono::milliseconds time) {
  deadline_.store(now_ns() + std::chrono::nanoseconds(time).count(), std::memory_order_relaxed);
}

void ServerConnection::disarm() { deadline_.store(kNever, std::memory_order_relaxed); }

void ServerConnection::expire() {
  if (!transport_ || deadline() > now_ns()) return;
  disarm();
  expired_ = true;
  log.debug("connection timed out peer={} idle={}", peer_.address, idle_);
  transport_->close();
}

void ServerConnection::begin_stop() {
  stopping_ = true;
  keep_open_ = false;
  if (idle_ && transport_) transport_->close();
}

Task<void> ServerConnection::serve() {
  try {
    co_await transport_->handshake();
    peer_ = transport_->peer();
    co_await serve_requests();
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::internal) {
      log.error("connection failed peer={} error={}", peer_.address, error.what());
    } else {
      log.debug("connection ended peer={} error={}", peer_.address, error.what());
    }
  }
  disarm();
  attachment_.reset();
  if (transport_) transport_->close();
}

Task<void> ServerConnection::serve_requests() {
  while (co_await read_head()) {
    co_await handle();
    if (!transport_) co_return;  // hijacked
    if (status_ == 0 || !answer_done_) {
      transport_->abort();
      co_return;
    }
    if (!keep_open_ || (!body_done_ && !co_await drain(kMaxDrain))) break;  // draining costs a frame of its own
  }
  if (status_ != 0) co_await linger();
}

/// Closes without destroying what is still on its way to the client: a close with unread input would send a reset.
Task<void> ServerConnection::linger() {
  if (stopping_ && input_.empty()) co_return;
  arm(kLingerTime);
  co_await transport_->close_write();
  std::array<std::byte, 4096> ignored{};
  while (!client_closed_ && co_await transport_->read_some(ignored) > 0) {}
}

Task<bool> ServerConnection::read_head() {
  const ServerLimits& limits = shared_->options.limits;
  const HeadLimits head_limits{.bytes = limits.header_bytes, .fields = limits.header_fields};
  scanner_.reset();
  bool blank_skipped = false;
  bool armed = false;
  for (;;) {
    if (!blank_skipped && input_.view().starts_with("\r\n")) {  // RFC 9112 2.2: some clients send one after a body
      input_.consume(2);
      blank_skipped = true;
    }
    if (!input_.empty() && input_.view() != "\r") {
      Refusal refusal;
      const std::optional<std::size_t> length = scanner_.scan(input_.view(), head_limits, refusal);
      if (length) refusal = parse_request_head(input_.view().substr(0, *length), head_limits, request_, framing_);
      if (refusal) {
        co_await refuse(refusal);
        co_return false;
      }
      if (length) {
        idle_ = false;
        input_.consume(*length);
        begin_body();
        co_return true;
      }
    }
    if (client_closed_) co_return false;
    idle_ = input_.empty();
    if (idle_ && stopping_) co_return false;
    if (!armed) arm(idle_ && status_ != 0 ? limits.idle_timeout : limits.header_timeout);
    armed = !idle_;
    if (idle_ && status_ != 0 && co_await arrived_meanwhile()) continue;
    if (!co_await fill()) co_return false;
  }
}

/// A read right after the answer finds nothing, and costs a system call. When the other connections have had their turn the next request
/// is often there; where it was not, the next few requests do not wait for it. The client of a relayed answer has two processes before it
/// that had to wake up, and gets the longer turn.
Task<bool> ServerConnection::arrived_meanwhile() {
  if (turns_to_skip_ > 0) {
    --turns_to_skip_;
    co_return false;
  }
  const auto moment = answer_ == AnswerKind::raw ? kAwakeForClient : Deadline::Clock::duration::zero();
  const std::size_t count = co_await read_while_awake(*transport_, input_, moment, reading_);
  if (count == 0) turns_to_skip_ = kTurnsToSkip;
  co_return count > 0;
}

Task<void> ServerConnection::refuse(Refusal refusal) {
  log.debug("request refused peer={} status={} reason={}", peer_.address, refusal.status, refusal.text);
  status_ = 0;
  request_.method = Method::other;
  request_.version_minor = 1;
  framing_ = {};
  body_done_ = true;
  keep_open_ = false;
  co_await respond(refusal.status, {{"Content-Type", "application/json"}}, message_body(refusal.text));
}

void ServerConnection::begin_body() {
  disarm();
  status_ = 0;
  answer_ = AnswerKind::whole;
  answer_done_ = false;
  answer_chunked_ = false;
  keep_open_ = framing_.keep_alive && !stopping_;
  continue_owed_ = framing_.expects_continue;
  body_left_ = framing_.length;
  body_done_ = framing_.body == BodyKind::none;
  body_broken_ = false;
  if (framing_.body == BodyKind::chunked) chunks_.reset(ChunkDecoder::Trailers::refuse);
}

Task<void> ServerConnection::handle() {
  const RequestObserver& observer = shared_->options.on_done;
  const auto started = observer ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  std::exception_ptr failure;
  try {
    co_await shared_->handler(*this);
    if (status_ == 0 && !client_closed_) throw Error::internal("the handler gave no answer");
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure && transport_) co_await answer_failure(std::move(failure));
  if (std::exchange(is_stream_, false)) --shared_->streams;
  disarm();
  if (observer) observer(*this, status_, std::chrono::steady_clock::now() - started);
}

Task<void> ServerConnection::answer_failure(std::exception_ptr failure) {
  const Error error = error_of(failure);
  if (error.code() == ErrorCode::internal) {
    log.error("request failed method={} path={} error={}", request_.method_name, request_.path, error.what());
  }
  if (status_ != 0) {
    if (!answer_done_) log.debug("answer broken off method={} path={} error={}", request_.method_name, request_.path, error.what());
    keep_open_ = false;
    co_return;
  }
  if (error.code() == ErrorCode::cancelled || expired_) co_return;  // nobody listens, or we stop
  if (!body_done_) keep_open_ = false;
  const int status = http_status(error.code());
  const bool bodiless = status == 304;
  try {
    co_await respond(status, bodiless ? Headers() : Headers{{"Content-Type", "application/json"}},
                     bodiless ? std::string() : message_body(error.message()));
  } catch (const Error& gone) {
    log.debug("answer not sent method={} path={} error={}", request_.method_name, request_.path, gone.what());
  }
}

// ---- input

/// While it lives, somebody awaits the transport's bytes.
struct ServerConnection::Reading {
  explicit Reading(ServerConnection& reader) : connection(reader) { connection.reading_ = true; }
  ~Reading() {
    connection.reading_ = false;
    connection.input_changed_.notify();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ServerConnection& connection;
};

Task<std::size_t> ServerConnection::read_transport(std::span<std::byte> buffer) {
  const Reading reading(*this);
  const std::size_t count = co_await transport_->read_some(buffer);
  if (count == 0) client_closed_ = true;
  co_return count;
}

/// Brings more bytes into input_, or waits for the watcher that is bringing them. False: there will be none.
Task<bool> ServerConnection::fill() {
  if (client_closed_) co_return false;
  if (reading_) {
    co_await input_changed_.wait();
    co_return !client_closed_ || !input_.empty();
  }
  const Reading reading(*this);  // not read_transport: a frame less for every request
  const std::size_t count = co_await transport_->read_some(input_.prepare());
  if (count == 0) client_closed_ = true;
  input_.commit(count);
  co_return count > 0;
}

Task<void> ServerConnection::until_client_gone() {
  ensure_transport();
  std::array<std::byte, 2048> buffer{};
  while (!client_closed_) {
    if (reading_ || input_.size() >= kBackgroundLimit) {
      co_await input_changed_.wait();
      continue;
    }
    try {
      // Not straight into input_: the body's reader may move its bytes while this read waits.
      const std::size_t count = co_await read_transport(buffer);
      input_.append(as_text(std::span(buffer).first(count)));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      client_closed_ = true;
    }
  }
}

void ServerConnection::rethrow_as_seen_by_handler(const Error& error) const {
  if (expired_) throw Error::deadline_exceeded("the client was too slow");
  throw error;
}

Task<void> ServerConnection::send_continue() {
  continue_owed_ = false;
  if (status_ != 0 || !input_.empty()) co_return;
  co_await send({"HTTP/1.1 100 Continue\r\n\r\n", {}, {}});
}

Task<std::size_t> ServerConnection::read_some(std::span<std::byte> buffer) {
  if (body_broken_) throw Error::unavailable("the request body is broken");
  if (body_done_ || buffer.empty()) co_return 0;
  ensure_transport();
  std::optional<Error> failure;
  std::size_t count = 0;
  const bool timed = status_ == 0;
  try {
    if (continue_owed_) co_await send_continue();
    if (timed) arm(shared_->options.limits.body_timeout);
    count = co_await (framing_.body == BodyKind::chunked ? read_chunked_body(buffer) : read_plain_body(buffer));
  } catch (...) {
    failure = current_error();
  }
  if (timed) disarm();
  if (failure) {
    keep_open_ = false;
    if (failure->code() != ErrorCode::cancelled) body_done_ = body_broken_ = true;  // a cancelled read has lost nothing
    rethrow_as_seen_by_handler(*failure);
  }
  co_return count;
}

Task<std::size_t> ServerConnection::read_plain_body(std::span<std::byte> buffer) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), body_left_));
  std::size_t count = 0;
  while (count == 0) {
    if (!input_.empty()) {
      count = input_.take(buffer, wanted);
      input_changed_.notify();
    } else if (reading_) {
      if (!co_await fill()) break;
    } else if (!client_closed_) {
      count = co_await read_transport(buffer.first(wanted));
    }
    if (client_closed_ && input_.empty()) break;
  }
  if (count == 0) throw Error::unavailable("the client closed the connection in the middle of the request body");
  body_left_ -= count;
  body_done_ = body_left_ == 0;
  co_return count;
}

Task<std::size_t> ServerConnection::read_chunked_body(std::span<std::byte> buffer) {
  for (;;) {
    std::string_view input = input_.view();
    Refusal refusal;
    const std::size_t available = chunks_.advance(input, refusal);
    input_.consume(input_.size() - input.size());
    if (refusal) throw Error::invalid_argument("malformed request body: {}", refusal.text);
    std::size_t count = 0;
    if (available > 0) {
      count = input_.take(buffer, available);
      input_changed_.notify();
    } else if (chunks_.done()) {
      body_done_ = true;
      co_return 0;
    } else if (chunks_.chunk_left() > 0 && input_.empty() && !reading_ && !client_closed_) {
      count = co_await read_transport(buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), chunks_.chunk_left()))));
    }
    if (count > 0) {
      chunks_.take(count);
      co_return count;
    }
    if (!co_await fill()) throw Error::unavailable("the client closed the connection in the middle of the request body");
  }
}

Task<std::string> ServerConnection::read_body(std::size_t limit) {
  std::string body;
  if (framing_.body == BodyKind::length && body_left_ > limit) throw Error::too_large("the request body is larger than {} bytes", limit);
  std::size_t used = 0;
  while (!body_done_) {
    const std::size_t room = framing_.body == BodyKind::length ? static_cast<std::size_t>(body_left_) : std::max<std::size_t>(4096, used);
    if (body.size() - used < room / 2 + 1) body.resize(std::min(used + room, limit + 1));
    used += co_await read_some(std::as_writable_bytes(std::span(body.data() + used, body.size() - used)));
    if (used > limit) throw Error::too_large("the request body is larger than {} bytes", limit);
  }
  body.resize(used);
  co_return body;
}

/// A body that has arrived as a whole is checked before the answer goes out, so that a malformed one is a 400 even for a handler that
/// does not read it.
void ServerConnection::check_buffered_body() {
  if (body_done_ || framing_.body != BodyKind::chunked) return;
  ChunkDecoder decoder = chunks_;
  std::string_view input = input_.view();
  Refusal refusal;
  while (const std::size_t count = decoder.advance(input, refusal)) {
    decoder.take(count);
    input.remove_prefix(count);
  }
  if (!refusal) return;
  keep_open_ = false;
  body_done_ = body_broken_ = true;
  throw Error::invalid_argument("malformed request body: {}", refusal.text);
}

/// Reads what the handler left of the body. False: the connection cannot be used for another request.
Task<bool> ServerConnection::drain(std::size_t limit) {
  if (!body_done_ && continue_owed_) co_return false;  // whether the body comes or not is up to the client
  std::array<std::byte, 4096> ignored{};
  std::size_t total = 0;
  while (!body_done_) {
    if (total > limit) co_return false;
    arm(shared_->options.limits.header_timeout);
    total += co_await (framing_.body == BodyKind::chunked ? read_chunked_body(ignored) : read_plain_body(ignored));
  }
  co_return true;
}

// ---- output

bool ServerConnection::answer_has_body(int status) const { return request_.method != Method::head && status_has_body(status); }

void ServerConnection::ensure_transport() const { SOCKERLESS_ASSERT(transport_ != nullptr, "the exchange is not used after hijack"); }

void ServerConnection::begin_answer(int status) {
  ensure_transport();
  SOCKERLESS_ASSERT(status_ == 0, "a handler answers once");
  check_buffered_body();
  status_ = status;
  if (continue_owed_ || (!body_done_ && body_left_ > kMaxDrain)) keep_open_ = false;
  if (stopping_) keep_open_ = false;
}

void ServerConnection::note_stream() {
  is_stream_ = true;
  ++shared_->streams;
}

void ServerConnection::append_constant_lines(const Headers& headers) {
  const Headers& constants = shared_->options.constant_headers;
  const bool overridden = std::any_of(headers.begin(), headers.end(), [&](const Header& field) { return constants.contains(field.name); });
  if (!overridden) {
    out_.append(shared_->constant_lines);
    return;
  }
  for (const Header& field : constants) {
    if (!headers.contains(field.name)) append_field(out_, field.name, field.value);
  }
}

void ServerConnection::build_head(int status, const Headers& headers, AnswerKind kind, std::size_t body_size) {
  answer_ = kind;
  out_.clear();
  if (status == 200) {
    out_.append("HTTP/1.1 200 OK\r\n");
  } else {
    fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", status, reason_of(status));
  }
  append_constant_lines(headers);
  for (const Header& field : headers) append_field(out_, field.name, field.value);
  if (kind == AnswerKind::raw) {
    if (status == 101 && !headers.contains("Connection")) out_.append("Connection: Upgrade\r\n");
    if (status == 101 && !headers.contains("Upgrade")) out_.append("Upgrade: tcp\r\n");
    out_.append("\r\n");
    return;
  }
  out_.append(date_line());
  if (kind == AnswerKind::whole && status_has_body(status)) {
    out_.append("Content-Length: ");
    std::array<char, 20> digits{};
    out_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), body_size).ptr);
    out_.append("\r\n");
  } else if (kind == AnswerKind::stream && status_has_body(status)) {
    answer_chunked_ = request_.version_minor == 1;
    if (answer_chunked_) {
      out_.append("Transfer-Encoding: chunked\r\n");
    } else {
      keep_open_ = false;
    }
  }
  if (!keep_open_) {
    out_.append("Connection: close\r\n");
  } else if (request_.version_minor == 0) {
    out_.append("Connection: keep-alive\r\n");
  }
  out_.append("\r\n");
}

Task<void> ServerConnection::send_rest(Pieces pieces) {
  std::optional<Error> failure;
  try {
    while (size_of(pieces) > 0) {
      arm(shared_->options.limits.write_timeout);
      co_await transport_->wait_writable();
      pieces = without_prefix(pieces, transport_->try_write(pieces));
    }
  } catch (...) {
    failure = current_error();
  }
  disarm();
  if (failure) rethrow_as_seen_by_handler(*failure);
}

Task<void> ServerConnection::send(Pieces pieces) {
  const std::size_t sent = transport_->try_write(pieces);
  if (sent < size_of(pieces)) co_await send_rest(without_prefix(pieces, sent));
}

/// Writes what the socket takes at once, which is nearly always all. What is left points into out_ and `body`.
Pieces ServerConnection::begin_whole_answer(int status, const Headers& headers, std::string_view body) {
  begin_answer(status);
  build_head(status, headers, AnswerKind::whole, body.size());
  if (!answer_has_body(status)) body = {};
  if (body.size() <= kCopiedBody) out_.append(std::exchange(body, {}));
  const Pieces pieces{out_, body, {}};
  return without_prefix(pieces, transport_->try_write(pieces));
}

Task<void> ServerConnection::respond(int status, Headers headers, std::string body) {
  const Pieces rest = begin_whole_answer(status, headers, body);
  if (size_of(rest) > 0) co_await send_rest(rest);
  answer_done_ = true;
}

Task<void> ServerConnection::respond_constant(int status, const Headers& headers, std::string_view body) {
  const Pieces rest = begin_whole_answer(status, headers, body);
  if (size_of(rest) > 0) co_await send_rest(rest);
  answer_done_ = true;
}

Task<BodyWriter*> ServerConnection::respond_stream(int status, Headers headers) {
  begin_answer(status);
  note_stream();
  build_head(status, headers, AnswerKind::stream, 0);
  co_await send({out_, {}, {}});
  co_return static_cast<BodyWriter*>(this);
}

Task<void> ServerConnection::write(std::span<const std::byte> data) {
  SOCKERLESS_ASSERT(!answer_done_, "a finished body is not written to");
  if (data.empty() || !answer_has_body(status_)) co_return;
  const std::string_view bytes = as_text(data);
  if (!answer_chunked_) {
    co_await send({bytes, {}, {}});
    co_return;
  }
  char* end = std::to_chars(chunk_size_.data(), chunk_size_.data() + 16, bytes.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  co_await send({std::string_view(chunk_size_.data(), end), bytes, "\r\n"});
}

Task<void> ServerConnection::finish() {
  if (answer_done_) co_return;
  if (answer_chunked_ && answer_has_body(status_)) co_await send({"0\r\n\r\n", {}, {}});
  answer_done_ = true;
}

// ---- the connection given away

bool ServerConnection::wants_upgrade() const {
  return request_.headers.has_token("Connection", "upgrade") && request_.headers.contains("Upgrade");
}

bool ServerConnection::wants_websocket() const {
  return request_.headers.has_token("Connection", "upgrade") && request_.headers.has_token("Upgrade", "websocket");
}

Task<std::unique_ptr<HijackedConnection>> ServerConnection::hijack(int status, Headers headers) {
  ensure_transport();
  if (!body_done_ && framing_.body == BodyKind::length && !co_await drain(kMaxDrain)) {
    throw Error::too_large("the request body is too large");
  }
  begin_answer(status);
  note_stream();
  build_head(status, headers, AnswerKind::raw, 0);
  co_await send({out_, {}, {}});
  answer_done_ = true;
  disarm();
  std::optional<ChunkDecoder> chunks;
  if (!body_done_ && framing_.body == BodyKind::chunked) chunks = chunks_;
  co_return std::make_unique<HijackedStream>(std::move(transport_), std::move(input_), chunks);
}

Task<std::unique_ptr<WebSocket>> ServerConnection::accept_websocket(Headers headers) {
  ensure_transport();
  check_websocket_request(request_);
  if (has_body()) throw Error::invalid_argument("a WebSocket request has no body");
  SOCKERLESS_ASSERT(status_ == 0, "a handler answers once");
  status_ = 101;
  note_stream();
  answer_done_ = true;
  disarm();
  out_.clear();
  for (const Header& field : shared_->options.constant_headers) headers.add(field.name, field.value);
  co_return co_await accept_websocket_on(std::move(transport_), std::move(input_), request_, std::move(headers));
}

}  // namespace sockerless::net
