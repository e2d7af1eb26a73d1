// Containers: what streams. Each of these ends when its client goes.

#include "api/stream_frame.hpp"
#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/streams.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

WaitCondition parse_wait_condition(const std::string& text) {
  if (text.empty() || text == "not-running") return WaitCondition::not_running;
  if (text == "next-exit") return WaitCondition::next_exit;
  if (text == "removed") return WaitCondition::removed;
  throw Error::invalid_argument("invalid condition: \"{}\"", text);
}

/// What the wait came to. Its failure is part of the answer, since the head is sent by then.
Task<api::ContainerWaitResponse> outcome_of(ContainerWait& wait) {
  std::optional<Error> failure;
  try {
    co_return co_await wait.result();
  } catch (...) {
    failure = current_error();
  }
  if (failure->code() == ErrorCode::cancelled) throw *failure;
  api::ContainerWaitResponse failed{.status_code = -1};
  failed.error = api::ContainerWaitExitError{.message = failure->message()};
  co_return failed;
}

/// Since 1.30 the head goes out as soon as the wait is registered: a client starts the container when it has it.
Task<void> send_wait(Call& call, ContainerWait& wait, WaitCondition condition) {
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, {{"Content-Type", "application/json"}});
  const api::ContainerWaitResponse outcome = co_await outcome_of(wait);
  // Before 1.34 a failed removal could only be told by an empty body.
  const bool silent = call.below(34) && condition == WaitCondition::removed && outcome.error;
  if (!silent) {
    const std::string json = api::to_json(outcome) + "\n";
    co_await out->write(as_bytes(json));
  }
  co_await out->finish();
}

Task<void> send_legacy_wait(Call& call, ContainerWait& wait) {
  const api::ContainerWaitResponse outcome = co_await wait.result();
  co_await reply(call, 200, outcome);
}

std::string_view stream_type(const Call& call, Framing framing) {
  return framing == Framing::multiplexed && call.since(42) ? api::kMultiplexedStreamType : api::kRawStreamType;
}

Task<void> send_logs(Call& call, OutputStream logs) {
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, {{"Content-Type", std::string(stream_type(call, logs.framing))}});
  std::optional<Error> failure;
  try {
    for (;;) {
      const std::span<const std::byte> piece = co_await logs.bytes->next();
      if (piece.empty()) break;
      co_await out->write(piece);
    }
  } catch (...) {
    failure = current_error();
  }
  if (failure && failure->code() == ErrorCode::cancelled) throw *failure;
  if (failure) {
    std::string text = "Error grabbing logs: " + failure->message() + "\n";
    if (logs.framing == Framing::multiplexed) {
      std::string framed;
      api::append_frame(framed, api::StreamKind::system_error, text);
      text = std::move(framed);
    }
    co_await out->write(as_bytes(text));
  }
  co_await out->finish();
}

Task<void> send_stats(Call& call, StatsStream& stats) {
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, {{"Content-Type", "application/json"}});
  while (std::optional<api::ContainerStatsResponse> sample = co_await stats.next()) {
    shape(*sample, call.version);
    const std::string line = api::to_json(*sample) + "\n";
    co_await out->write(as_bytes(line));
  }
  co_await out->finish();
}

Task<void> send_one_sample(Call& call, StatsStream& stats) {
  std::optional<api::ContainerStatsResponse> sample = co_await stats.next();
  if (!sample) throw Error::not_found("No such container: {}", call.id);
  shape(*sample, call.version);
  co_await reply(call, 200, *sample);
}

template <typename Params>
AttachOptions attach_options(const Params& params) {
  return {.logs = params.logs,
          .stream = params.stream,
          .use_stdin = params.stdin,
          .use_stdout = params.stdout,
          .use_stderr = params.stderr,
          .detach_keys = params.detach_keys};
}

}  // namespace

Task<void> wait_container(Call& call) {
  const api::ContainerWaitParams params = api::parse_container_wait_params(call.query);
  const bool legacy = call.below(30);
  const WaitCondition condition = legacy ? WaitCondition::not_running : parse_wait_condition(params.condition);
  const std::unique_ptr<ContainerWait> wait = co_await call.backend.containers().wait({call.id}, condition);
  co_await while_client_stays(call, legacy ? send_legacy_wait(call, *wait) : send_wait(call, *wait, condition));
}

Task<void> container_logs(Call& call) {
  const api::ContainerLogsParams params = api::parse_container_logs_params(call.query);
  if (!params.stdout && !params.stderr) throw Error::invalid_argument("Bad parameters: you must choose at least one stream");
  OutputStream logs = co_await call.backend.containers().logs({call.id}, {.follow = params.follow,
                                                                          .show_stdout = params.stdout,
                                                                          .show_stderr = params.stderr,
                                                                          .since = params.since,
                                                                          .until = call.since(35) ? params.until : std::nullopt,
                                                                          .timestamps = params.timestamps,
                                                                          .details = params.details,
                                                                          .tail = params.tail});
  co_await while_client_stays(call, send_logs(call, std::move(logs)));
}

Task<void> container_stats(Call& call) {
  const api::ContainerStatsParams params = api::parse_container_stats_params(call.query);
  StatsRole& role = require(call.backend.stats(), call.backend, "container statistics");
  const std::unique_ptr<StatsStream> stats =
      co_await role.stats({call.id}, {.stream = params.stream, .one_shot = call.since(41) && params.one_shot});
  co_await while_client_stays(call, params.stream ? send_stats(call, *stats) : send_one_sample(call, *stats));
}

Task<void> attach_container(Call& call) {
  const AttachOptions options = attach_options(api::parse_container_attach_params(call.query));
  const bool upgrade = call.exchange.wants_upgrade();
  // Whatever is wrong is an HTTP error as long as HTTP is spoken.
  std::unique_ptr<AttachSession> session = co_await call.backend.containers().attach({call.id}, options);
  const std::string_view type = upgrade ? stream_type(call, session->framing()) : api::kRawStreamType;
  std::unique_ptr<net::HijackedConnection> connection =
      co_await call.exchange.hijack(upgrade ? 101 : 200, {{"Content-Type", std::string(type)}});
  co_await serve_session(std::move(session), std::move(connection), options.use_stdin ? UseStdin::yes : UseStdin::no);
}

Task<void> attach_container_websocket(Call& call) {
  AttachOptions options = attach_options(api::parse_container_attach_websocket_params(call.query));
  if (call.below(42)) options.use_stdin = options.use_stdout = options.use_stderr = true;
  if (!call.exchange.wants_websocket()) throw Error::invalid_argument("attaching by WebSocket needs a WebSocket handshake");
  std::unique_ptr<AttachSession> session = co_await call.backend.containers().attach({call.id}, options);
  std::unique_ptr<net::WebSocket> socket = co_await call.exchange.accept_websocket({});
  const auto kind = call.since(28) ? net::WebSocket::Kind::binary : net::WebSocket::Kind::text;
  co_await serve_websocket_session(std::move(session), std::move(socket), options.use_stdin ? UseStdin::yes : UseStdin::no, kind);
}

}  // namespace sockerless::frontend
