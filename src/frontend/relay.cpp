#include "frontend/relay.hpp"

#include "api/stream_frame.hpp"

namespace sockerless::frontend {

namespace {

using namespace std::chrono_literals;

constexpr auto kPingPatience = 2s;  // with a daemon that is there and says nothing
constexpr auto kUsualRetry = 1s;

/// Whether an output stream stands between two frames, where a frame of our own can be put. Older daemons call framed output raw as well:
/// then the bytes have to show it.
class FrameFollower {
 public:
  void begin(std::string_view content_type) {
    const bool is_framed = content_type == api::kMultiplexedStreamType;
    if (is_framed || content_type == api::kRawStreamType) decoder_.emplace();
    seen_frame_ = is_framed;
  }

  void follow(std::string_view bytes) {
    if (!decoder_) return;
    try {
      api::FrameDecoder::Part part{};
      while (decoder_->next(bytes, part)) seen_frame_ = true;
    } catch (const Error&) {
      decoder_.reset();
    }
  }

  bool is_between_frames() const {
    if (!decoder_ || !seen_frame_) return false;
    try {
      decoder_->finish();
      return true;
    } catch (const Error&) {
      return false;
    }
  }

 private:
  std::optional<api::FrameDecoder> decoder_;
  bool seen_frame_ = false;
};

Task<void> refuse(net::Exchange& exchange, const std::string& message, std::chrono::milliseconds retry_after) {
  const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(retry_after).count());
  return exchange.respond(503, {{"Content-Type", "application/json"}, {"Retry-After", std::to_string(seconds)}},
                          net::message_body(message));
}

}  // namespace

/// One attempt's progress, told to the role.
class Relay::Watch final : public net::RelayWatch {
 public:
  Watch(Relay& relay, RelayRole::Attempt& attempt, bool is_ping) : relay_(relay), attempt_(attempt), is_ping_(is_ping) {}

  void on_answer() override { attempt_.answered(); }

  void on_head(const net::ResponseHead& head) override {
    follower_.begin(head.headers.find("Content-Type").value_or(""));
    if (is_ping_ && head.status == 200) {
      relay_.last_ping_.write([&](std::optional<net::Headers>& last) { last = head.headers; });
    }
  }

  void on_raw(std::string_view bytes) override { follower_.follow(bytes); }

  Task<End> on_raw_end() override {
    if (co_await relay_.role_.is_alive()) co_return End{};
    End end{.is_clean = false, .last_words = {}};
    if (follower_.is_between_frames()) {
      api::append_frame(end.last_words, api::StreamKind::system_error, "the connection to the Docker daemon broke off");
    }
    co_return end;
  }

 private:
  Relay& relay_;
  RelayRole::Attempt& attempt_;
  const bool is_ping_;
  FrameFollower follower_;
};

Task<void> Relay::attempt(net::Exchange& exchange, bool is_ping) {
  // The daemon's connection stays with the client's: requests that follow each other find it open.
  auto kept = std::static_pointer_cast<net::RawConnection>(std::exchange(exchange.attachment(), {}));
  for (net::Reuse reuse = net::Reuse::yes;; reuse = net::Reuse::no) {
    const std::unique_ptr<RelayRole::Attempt> attempt = co_await role_.begin(kept.get(), reuse);
    kept.reset();
    const bool was_kept = attempt->connection().was_kept();
    Watch watch(*this, *attempt, is_ping);
    net::RelayProgress progress;
    try {
      co_await exchange.relay(attempt->connection(), watch, progress);
      if (attempt->connection().is_idle()) exchange.attachment() = std::make_shared<net::RawConnection>(std::move(attempt->connection()));
      co_return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable || progress.answered) throw;
      // A kept connection that turns out dead says nothing of the daemon, a new one does.
      if (!was_kept) attempt->broke(error);
      const bool may_repeat = !progress.body_taken && (!progress.sent || net::is_idempotent(exchange.request().method));
      if (!was_kept || !may_repeat) throw;
    }
  }
}

Task<void> Relay::serve(net::Exchange& exchange, bool is_ping) {
  std::string why;
  std::chrono::milliseconds retry_after = kUsualRetry;
  try {
    co_await (is_ping ? with_deadline(attempt(exchange, true), Deadline::in(kPingPatience), "the daemon's ping")
                      : attempt(exchange, false));
    co_return;
  } catch (const DaemonUnreachable& error) {
    why = error.message();
    retry_after = error.retry_after();
  } catch (const Error& error) {
    const bool is_daemons = error.code() == ErrorCode::unavailable || (is_ping && error.code() == ErrorCode::deadline_exceeded);
    if (exchange.head_sent() || !is_daemons) throw;
    why = error.message();
  }
  co_await (is_ping ? answer_ping(exchange) : refuse(exchange, why, retry_after));
}

Task<void> Relay::answer_ping(net::Exchange& exchange) {
  net::Headers headers = last_ping_.read([](const auto& last) { return last; })
                             .value_or(net::Headers{{"Content-Type", "text/plain; charset=utf-8"},
                                                    {"Cache-Control", "no-cache, no-store, must-revalidate"},
                                                    {"Pragma", "no-cache"}});
  for (const std::string_view ours : {"Content-Length", "Date", "Connection", "Transfer-Encoding"}) headers.remove(ours);
  return exchange.respond(200, std::move(headers), exchange.request().method == net::Method::head ? "" : "OK");
}

}  // namespace sockerless::frontend
