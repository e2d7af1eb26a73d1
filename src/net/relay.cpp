// Relaying: a request goes down a connection to another server and the answer comes back as its bytes are, head and framing included.
//
// The idea is to look at the bytes without touching them. The request was read by the strict parser, and what goes on is what the parser
// understood, so there is nothing left in it that the other server could read otherwise. Of the answer only the ends are looked for: where
// the head stops, where the body does. Each direction is one buffer whose front is "released": may be written. Everything waits at a
// write or a read with that buffer consistent, so a direction can be cancelled anywhere and taken up again. That is how the exchange
// becomes a plain two-way copy after an upgrade: both directions are stopped and go on under another rule with what they hold.
//
// A client that half-closes half-closes the server's connection; one that is gone closes it.

#include "net/relay.hpp"

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "net/body_end.hpp"
#include "net/server_connection.hpp"
#include "net/transport.hpp"

namespace sockerless::net {

namespace {

constexpr std::size_t kLargeRead = 128UL * 1024;       // of bodies that fill small ones
constexpr std::size_t kSmallRead = 16UL * 1024;        // heads and most answers
constexpr std::size_t kBackgroundLimit = 64UL * 1024;  // what a client may send ahead while it waits for an answer
constexpr HeadLimits kAnswerLimits{.bytes = 1024UL * 1024, .fields = 1000};
constexpr std::chrono::seconds kLateBodyTime{2};
constexpr std::chrono::microseconds kAwakeForDaemon{200};

/// One direction.
class Flow {
 public:
  /// Whose failures mean that the client is gone, which is nobody's fault: they become `cancelled`.
  enum class Client : std::uint8_t { reads, writes };

  Flow(Transport& from, Transport& to, InputBuffer& buffer, Client client) : from_(from), to_(to), buffer_(buffer), client_(client) {}

  /// What is not released yet.
  std::string_view fresh() const { return buffer_.view().substr(released_); }
  void release(std::size_t count) { released_ += count; }
  void release_all() { released_ = buffer_.size(); }
  bool has_released() const { return released_ > 0; }
  /// That many released bytes went another way.
  void take_back(std::size_t count) {
    buffer_.consume(count);
    released_ -= count;
  }
  /// Drops everything.
  void forget() {
    buffer_.consume(buffer_.size());
    released_ = 0;
  }

  /// Brings more bytes. 0: the sender has half-closed.
  Task<std::size_t> read() {
    std::optional<Error> failure;
    try {
      const std::size_t count = co_await from_.read_some(buffer_.prepare(room_));
      buffer_.commit(count);
      if (count >= kSmallRead / 2) room_ = kLargeRead;
      co_return count;
    } catch (const Error& error) {
      failure = error;
    }
    throw client_ == Client::writes ? Error::cancelled() : std::move(*failure);
  }

  /// Writes what is released.
  Task<void> flush() {
    if (try_flush()) co_return;
    std::optional<Error> failure;
    try {
      do {
        co_await to_.wait_writable();
      } while (!try_flush());
      co_return;
    } catch (const Error& error) {
      failure = error;
    }
    throw client_ == Client::reads ? Error::cancelled() : std::move(*failure);
  }

 private:
  bool try_flush() {
    if (released_ == 0) return true;
    std::size_t count = 0;
    try {
      count = to_.try_write({buffer_.view().substr(0, released_), {}, {}});
    } catch (const Error&) {
      if (client_ == Client::reads) throw Error::cancelled();
      throw;
    }
    buffer_.consume(count);
    released_ -= count;
    return released_ == 0;
  }

  Transport& from_;
  Transport& to_;
  InputBuffer& buffer_;
  Client client_;
  std::size_t released_ = 0;
  std::size_t room_ = kSmallRead;
};

std::string head_of(const RequestHead& request) {
  std::string head;
  head.reserve(1024);
  head.append(request.method_name)
      .append(" ")
      .append(request.target)
      .append(request.version_minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  for (const Header& field : request.headers) append_field(head, field.name, field.value);
  head.append("\r\n");
  return head;
}

}  // namespace

struct RawConnection::Buffers {
  InputBuffer answer;
  ResponseHead head;
};

/// One request's way.
class ServerConnection::Relay {
 public:
  Relay(ServerConnection& connection, RawConnection& server, RelayWatch& watch, RelayProgress& progress)
      : connection_(connection),
        server_(server),
        watch_(watch),
        progress_(progress),
        answer_(server.buffers().answer),
        head_(server.buffers().head),
        up_(*connection.transport_, server.transport(), connection.input_, Flow::Client::writes),
        down_(server.transport(), *connection.transport_, answer_, Flow::Client::reads),
        request_body_(connection.framing_, ChunkDecoder::Trailers::refuse) {}

  Task<void> run() {
    co_await send_head();
    if (!request_body_.done() || !co_await answer_quiet_client()) co_await race(relay_answer(), relay_request());
    if (is_raw_) {
      co_await race(copy_down(), copy_up());
      connection_.keep_open_ = false;
    } else {
      co_await settle();
    }
    connection_.answer_done_ = true;
    connection_.body_done_ = true;
  }

 private:
  bool release_body() {
    Refusal refusal;
    up_.release(request_body_.advance(up_.fresh(), refusal));
    if (refusal) throw Error::invalid_argument("malformed request body: {}", refusal.text);
    return request_body_.done();
  }

  /// The head with what is here of the body already, in one write where the kernel takes it.
  Task<void> send_head() {
    const std::string head = head_of(connection_.request_);
    release_body();
    const std::size_t body_size = connection_.input_.size() - up_.fresh().size();
    Pieces pieces{head, connection_.input_.view().substr(0, body_size), {}};
    while (size_of(pieces) > body_size) {
      const std::size_t count = server_.transport().try_write(pieces);
      progress_.sent |= count > 0;
      pieces = without_prefix(pieces, count);
      if (pieces[0].empty()) {
        const std::size_t body_sent = body_size - pieces[1].size();
        progress_.body_taken |= body_sent > 0;
        up_.take_back(body_sent);
      } else {
        co_await server_.transport().wait_writable();
      }
    }
  }

  /// Ends only by the client's going.
  Task<void> relay_request() {
    bool is_server_reading = true;
    try {
      co_await relay_body();
    } catch (const Error& error) {
      // It may have answered before it stopped reading: the other direction finds out.
      if (error.code() != ErrorCode::unavailable) throw;
      is_server_reading = false;
    }
    if (!is_server_reading) broken_ = true;
    while (connection_.input_.size() < kBackgroundLimit) {
      if (co_await up_.read() == 0) co_await client_ended();
    }
    co_await until_client_gone();
  }

  Task<void> relay_body() {
    for (;;) {
      const bool is_done = release_body();
      progress_.body_taken |= up_.has_released();
      co_await up_.flush();
      if (is_done) co_return;
      if (co_await up_.read() == 0) co_await client_ended();
    }
  }

  /// The client has half-closed, or closed: a unix socket tells which.
  Task<void> client_ended() {
    connection_.client_closed_ = true;
    broken_ = true;
    co_await server_.transport().close_write();
    co_await until_client_gone();
  }

  Task<void> until_client_gone() {
    co_await connection_.transport_->until_peer_gone();
    throw Error::cancelled();
  }

  /// Relays the answer to a request that is complete. Nothing goes up then, so the client is only listened to if it stirs, which spares
  /// most requests a second coroutine. @return false: it stirred before the answer was whole.
  Task<bool> answer_quiet_client() {
    Transport& client = *connection_.transport_;
    client.watch([this, &client] {
      has_stirred_ = true;
      client.cancel();
      server_.transport().cancel();
    });
    const std::unique_ptr<Transport, void (*)(Transport*)> unwatch(&client, [](Transport* watched) { watched->unwatch(); });
    try {
      co_await relay_answer();
      co_return true;
    } catch (const Error& error) {
      if (!has_stirred_ || error.code() != ErrorCode::cancelled) throw;
      has_stirred_ = false;
      co_return false;
    }
  }

  /// Can be cancelled where it waits, and called again.
  Task<void> relay_answer() {
    if (!body_) {
      const std::size_t head_size = co_await read_head();
      watch_.on_head(head_);
      const bool is_stream = is_raw_ || framing_.body == BodyKind::chunked || framing_.body == BodyKind::until_close;
      connection_.begin_relayed_answer(head_.status, is_stream);
      down_.release(head_size);
      body_.emplace(framing_, ChunkDecoder::Trailers::drop);
    }
    if (is_raw_) co_return;
    const bool ends_by_close = framing_.body == BodyKind::until_close;
    for (;;) {
      Refusal refusal;
      const std::string_view fresh = down_.fresh();
      const std::size_t count = body_->advance(fresh, refusal);
      if (refusal) throw Error::unavailable("the daemon's answer is malformed: {}", refusal.text);
      if (ends_by_close) watch_.on_raw(fresh);
      down_.release(count);
      co_await down_.flush();
      if (body_->done()) co_return;
      if (co_await read_answer() > 0) continue;
      if (!ends_by_close) throw Error::unavailable("the daemon closed the connection in the middle of its answer");
      co_await end_raw();
      co_return;
    }
  }

  Task<std::size_t> read_answer() {
    if (has_stirred_) throw Error::cancelled();
    return progress_.answered || !is_daemon_near() ? down_.read() : read_first_answer();
  }

  Task<std::size_t> read_first_answer() {
    const std::size_t count = co_await read_while_awake(server_.transport(), answer_, kAwakeForDaemon, has_stirred_);
    if (count > 0) co_return count;
    if (has_stirred_) throw Error::cancelled();
    co_return co_await down_.read();
  }

  /// Near enough that most answers come before a core has gone to sleep and woken up.
  bool is_daemon_near() { return server_.transport().peer().transport == PeerInfo::Transport::unix_socket; }

  /// Reads up to the final head and leaves it in front; interim ones go to the client. @return its size.
  Task<std::size_t> read_head() {
    for (;;) {
      co_await down_.flush();
      Refusal refusal;
      const std::string_view fresh = down_.fresh();
      const std::optional<std::size_t> size = scanner_.scan(fresh, kAnswerLimits, refusal);
      if (size) refusal = parse_response_head(fresh.substr(0, *size), kAnswerLimits, connection_.request_.method, head_, framing_);
      if (refusal) throw Error::unavailable("the daemon's answer is malformed: {}", refusal.text);
      if (!size) {
        if (co_await read_answer() == 0) throw Error::unavailable("the daemon closed the connection without an answer");
        if (!std::exchange(progress_.answered, true)) watch_.on_answer();
        continue;
      }
      // dockerd hands a connection over with 101, or with 200 and neither length nor "Connection: close".
      is_raw_ = head_.status == 101 || (head_.status == 200 && framing_.body == BodyKind::until_close && fresh.starts_with("HTTP/1.1") &&
                                        !head_.headers.has_token("Connection", "close"));
      if (head_.status >= 200 || is_raw_) co_return *size;
      scanner_.reset();
      connection_.continue_owed_ = false;
      down_.release(*size);
    }
  }

  /// The answer is complete: what becomes of the two connections.
  Task<void> settle() {
    if (!request_body_.done() && !broken_ && framing_.keep_alive && !connection_.continue_owed_) co_await relay_late_body();
    const bool is_done = request_body_.done() && !broken_;
    if (!is_done || !framing_.keep_alive) connection_.keep_open_ = false;
    if (is_done && framing_.keep_alive && answer_.empty()) server_.end_exchange();
  }

  /// The server answered before it had the whole body, and reads on. So does the client's connection, if the rest comes soon.
  Task<void> relay_late_body() {
    connection_.arm(kLateBodyTime);
    try {
      co_await relay_body();
    } catch (const Error&) {
      broken_ = true;
    }
    connection_.disarm();
  }

  // ---- the connection handed over

  Task<void> copy_down() {
    watch_.on_raw(down_.fresh());
    for (;;) {
      down_.release_all();
      co_await down_.flush();
      if (co_await down_.read() == 0) break;
      watch_.on_raw(down_.fresh());
    }
    co_await end_raw();
    co_await connection_.transport_->close_write();
    // The server may have closed one direction only.
    co_await server_.transport().until_peer_gone();
  }

  Task<void> end_raw() {
    const RelayWatch::End end = co_await watch_.on_raw_end();
    if (!end.last_words.empty()) {
      answer_.append(end.last_words);
      down_.release_all();
      co_await down_.flush();
    } else if (!end.is_clean) {
      throw Error::unavailable("the daemon broke off");
    }
  }

  /// Ends only by the client's going.
  Task<void> copy_up() {
    try {
      for (;;) {
        up_.release_all();
        co_await up_.flush();
        if (co_await up_.read() == 0) co_await client_ended();
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
    }
    // The server reads no more. What it still says is the other direction's.
    for (;;) {
      up_.forget();
      if (co_await up_.read() == 0) co_await until_client_gone();
    }
  }

  ServerConnection& connection_;
  RawConnection& server_;
  RelayWatch& watch_;
  RelayProgress& progress_;
  InputBuffer& answer_;
  ResponseHead& head_;  // of the answer
  Flow up_;
  Flow down_;
  BodyEnd request_body_;
  HeadScanner scanner_;
  Framing framing_;
  std::optional<BodyEnd> body_;  // of the answer, once its head is here
  bool is_raw_ = false;
  bool has_stirred_ = false;  // the client did, and is not listened to yet
  bool broken_ = false;       // the server's connection is good for nothing else
};

void ServerConnection::begin_relayed_answer(int status, bool streams) {
  status_ = status;
  answer_ = AnswerKind::raw;
  if (streams) note_stream();
  if (stopping_) keep_open_ = false;
}

Task<void> ServerConnection::relay(RawConnection& server, RelayWatch& watch, RelayProgress& progress) {
  ensure_transport();
  SOCKERLESS_ASSERT(status_ == 0, "a handler answers once");
  Relay relay(*this, server, watch, progress);
  try {
    co_await relay.run();
  } catch (const Error& error) {
    // Of a body that was begun, or cannot be read, nothing else can be made: the handler's own answer ends the connection.
    if (progress.body_taken || error.code() == ErrorCode::invalid_argument) {
      body_done_ = body_broken_ = true;
      keep_open_ = false;
    }
    throw;
  }
}

// ---- RawConnection

RawConnection::RawConnection(std::unique_ptr<Transport> transport, bool was_kept, GiveBack give_back)
    : transport_(std::move(transport)), buffers_(std::make_unique<Buffers>()), was_kept_(was_kept), give_back_(std::move(give_back)) {}
RawConnection::RawConnection(RawConnection&& other) noexcept = default;

RawConnection::~RawConnection() {
  if (transport_ && is_idle_) give_back_(std::move(transport_));
}

bool RawConnection::try_reuse() { return std::exchange(is_idle_, false) && transport_->is_quiet(); }

}  // namespace sockerless::net
