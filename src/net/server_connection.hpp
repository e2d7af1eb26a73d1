#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "net/http_parser.hpp"
#include "net/server.hpp"
#include "net/transport.hpp"

// Internal to net/: one connection of the server.
//
// The hot path is one recv, one parse, the handler's coroutine and one sendmsg. It arms no timer: a connection only stores the instant it
// must have got further by, and the server looks at all of them now and then. Its buffers and the request's strings are reused.
namespace sockerless::net {

/// What all connections of a server share; constant.
struct ServerShared {
  ServerShared(Handler handler_in, ServerOptions options_in);
  Handler handler;
  ServerOptions options;
  std::string constant_lines;
  mutable std::atomic<std::size_t> streams = 0;  // answers under way that stream
};

class ServerConnection final : public Exchange,
                               public std::enable_shared_from_this<ServerConnection>,
                               private BodyReader,
                               private BodyWriter {
 public:
  ServerConnection(std::unique_ptr<Transport> transport, std::shared_ptr<const ServerShared> shared);

  /// Serves until the connection ends; fails never, except by cancellation.
  Task<void> serve();

  /// Any thread: steady-clock nanoseconds after which expire() should be called.
  std::int64_t deadline() const { return deadline_.load(std::memory_order_relaxed); }
  /// On the connection's executor: ends it if its deadline has passed.
  void expire();
  /// On the connection's executor: an idle connection ends now, another one after its request.
  void begin_stop();

  // Exchange
  const RequestHead& request() const override { return request_; }
  const PeerInfo& peer() const override { return peer_; }
  BodyReader& body() override { return *this; }
  bool has_body() const override { return framing_.body != BodyKind::none; }
  Task<std::string> read_body(std::size_t limit) override;
  Task<void> respond(int status, Headers headers, std::string body) override;
  Task<void> respond_constant(int status, const Headers& headers, std::string_view body) override;
  Task<BodyWriter*> respond_stream(int status, Headers headers) override;
  Task<std::unique_ptr<HijackedConnection>> hijack(int status, Headers headers) override;
  Task<std::unique_ptr<WebSocket>> accept_websocket(Headers headers) override;
  Task<void> relay(RawConnection& server, RelayWatch& watch, RelayProgress& progress) override;
  std::shared_ptr<void>& attachment() override { return attachment_; }
  bool wants_upgrade() const override;
  bool wants_websocket() const override;
  bool head_sent() const override { return status_ != 0; }
  Task<void> until_client_gone() override;

 private:
  enum class AnswerKind : std::uint8_t { whole, stream, raw };
  class Relay;  // relay.cpp

  // BodyReader, BodyWriter
  Task<std::size_t> read_some(std::span<std::byte> buffer) override;
  Task<void> write(std::span<const std::byte> data) override;
  Task<void> finish() override;

  Task<void> serve_requests();
  Task<bool> read_head();
  Task<void> refuse(Refusal refusal);
  Task<void> handle();
  Task<void> answer_failure(std::exception_ptr failure);
  Task<void> linger();

  struct Reading;
  Task<bool> arrived_meanwhile();
  Task<bool> fill();
  Task<std::size_t> read_transport(std::span<std::byte> buffer);
  Task<std::size_t> read_plain_body(std::span<std::byte> buffer);
  Task<std::size_t> read_chunked_body(std::span<std::byte> buffer);
  Task<bool> drain(std::size_t limit);
  void begin_body();
  void check_buffered_body();
  Task<void> send_continue();

  void begin_answer(int status);
  void begin_relayed_answer(int status, bool streams);
  void note_stream();
  void build_head(int status, const Headers& headers, AnswerKind kind, std::size_t body_size);
  Pieces begin_whole_answer(int status, const Headers& headers, std::string_view body);
  void append_constant_lines(const Headers& headers);
  Task<void> send(Pieces pieces);
  Task<void> send_rest(Pieces pieces);
  bool answer_has_body(int status) const;
  void ensure_transport() const;

  void arm(std::chrono::milliseconds time);
  void disarm();
  [[noreturn]] void rethrow_as_seen_by_handler(const Error& error) const;

  // Set in the constructor, never changed.
  const std::shared_ptr<const ServerShared> shared_;  // shared with the other connections and the server

  // Any thread.
  std::atomic<std::int64_t> deadline_;

  // The connection's strand.
  std::unique_ptr<Transport> transport_;  // null after hijack
  PeerInfo peer_;
  InputBuffer input_;
  HeadScanner scanner_;
  RequestHead request_;
  Framing framing_;
  ChunkDecoder chunks_;
  std::uint64_t body_left_ = 0;  // of a body with Content-Length
  bool body_done_ = true;
  bool body_broken_ = false;
  bool continue_owed_ = false;  // the client waits for 100 before it sends the body
  std::string out_;             // the head being sent
  std::array<char, 20> chunk_size_{};
  int status_ = 0;  // of the answer; 0: no head was sent yet
  AnswerKind answer_ = AnswerKind::whole;
  bool answer_done_ = false;
  bool answer_chunked_ = false;
  bool is_stream_ = false;  // counted in ServerShared::streams until the handler ends
  bool keep_open_ = true;
  int turns_to_skip_ = 0;       // of arrived_meanwhile
  bool reading_ = false;        // somebody awaits the transport's bytes
  bool client_closed_ = false;  // end-of-file was read
  bool idle_ = true;
  bool stopping_ = false;
  bool expired_ = false;
  std::shared_ptr<void> attachment_;
  StrandEvent input_changed_;  // input_, reading_ or client_closed_ did
};

}  // namespace sockerless::net
