#include "sdk/opening.hpp"

#include <boost/asio/this_coro.hpp>

namespace sockerless {

namespace {

/// Since this version the answer's Content-Type tells frames from the bytes of a TTY.
constexpr api::ApiVersion kTypedStreams{1, 42};

std::string name_of_call(const Call& call) { return fmt::format("{} {}", net::name_of(call.method), call.path); }

/// "until when" of a stream: never, unless its caller says so.
Deadline stream_deadline(const CallOptions& options) {
  return options.timeout && options.timeout->count() > 0 ? Deadline::in(*options.timeout) : Deadline::never();
}

/// How long an upload may stand still when its caller gave it no time. A build answers as soon as it has its context.
std::chrono::milliseconds longest_stall_of(const DockerConfig& config) {
  return config.answer_timeout.count() > 0 ? config.answer_timeout : config.timeout;
}

Task<SessionPointer> make_session(std::shared_ptr<DaemonLink> link, std::string what) {
  co_return std::make_shared<StreamSession>(co_await asio::this_coro::executor, std::move(link), std::move(what));
}

/// What an older daemon's stream is, which only the container's configuration says.
Task<std::optional<StreamSession::Framing>> framing_of_container(std::shared_ptr<DaemonLink> link, std::string path, CallOptions options) {
  const Deadline deadline = link->deadline_of({}, options);
  if (co_await link->version(deadline) >= kTypedStreams) co_return std::nullopt;
  const std::string container = path.substr(0, path.rfind('/'));
  const net::Response response = co_await link->request({.path = container + "/json"}, options);
  const auto details = parse_answer<api::ContainerInspectResponse>(response.body, container);
  const bool tty = details.config && details.config->tty.value_or(false);
  co_return tty ? StreamSession::Framing::raw : StreamSession::Framing::framed;
}

StreamSession::Framing framing_of_type(const net::Headers& headers) {
  return headers.find("Content-Type") == api::kRawStreamType ? StreamSession::Framing::raw : StreamSession::Framing::framed;
}

}  // namespace

Task<SessionPointer> open_reader(std::shared_ptr<DaemonLink> link, Call call, CallOptions options) {
  const Deadline deadline = stream_deadline(options);
  const SessionPointer session = co_await make_session(link, name_of_call(call));
  const std::stop_token stop = options.stop;
  session->adopt(co_await link->open(std::move(call), std::move(options)));
  co_await session->wait_answer();
  session->arm(stop, deadline);
  co_return session;
}

Task<SessionPointer> open_upload(std::shared_ptr<DaemonLink> link, Call call, BodySource content, CallOptions options) {
  if (!content) co_return co_await open_reader(std::move(link), std::move(call), std::move(options));
  const Deadline deadline = stream_deadline(options);
  const SessionPointer session = co_await make_session(link, name_of_call(call));
  const std::stop_token stop = options.stop;
  call.headers.emplace_back("Content-Type", "application/x-tar");
  session->adopt(co_await link->open_upload(std::move(call), std::move(options)));
  session->arm(stop, deadline);
  if (deadline.is_never()) session->watch_upload(longest_stall_of(link->config()));
  session->start_upload(std::move(content));
  co_return session;
}

Task<void> run_upload(std::shared_ptr<DaemonLink> link, Call call, BodySource content, CallOptions options) {
  // A call, not a stream: it has a time even where its caller names none.
  Call patient = {};
  patient.patience = Call::Patience::long_;
  const Deadline deadline = link->deadline_of(patient, options);
  if (!deadline.is_never()) options.timeout = std::chrono::ceil<std::chrono::milliseconds>(deadline.at() - Deadline::Clock::now());
  const SessionPointer session = co_await open_upload(std::move(link), std::move(call), std::move(content), std::move(options));
  std::array<std::byte, 4096> buffer{};
  std::exception_ptr failure;
  try {
    while (co_await session->read_some(buffer) > 0) {}
  } catch (...) {
    failure = std::current_exception();
  }
  session->disarm();
  session->end_because(StreamSession::Ended::closed);
  if (failure) std::rethrow_exception(failure);
}

Task<SessionPointer> open_output(std::shared_ptr<DaemonLink> link, Call call, CallOptions options) {
  const auto known = co_await framing_of_container(link, call.path, options);
  const SessionPointer session = co_await open_reader(std::move(link), std::move(call), std::move(options));
  session->set_framing(known ? *known : framing_of_type(session->headers()));
  co_return session;
}

Task<SessionPointer> open_duplex(std::shared_ptr<DaemonLink> link, Call call, std::optional<bool> tty, CallOptions options) {
  std::optional<StreamSession::Framing> known;
  if (tty) known = *tty ? StreamSession::Framing::raw : StreamSession::Framing::framed;
  if (!tty) known = co_await framing_of_container(link, call.path, options);
  const Deadline deadline = stream_deadline(options);
  const SessionPointer session = co_await make_session(link, name_of_call(call));
  const std::stop_token stop = options.stop;
  session->adopt(co_await link->hijack(std::move(call), std::move(options)));
  session->set_framing(known ? *known : framing_of_type(session->headers()));
  session->arm(stop, deadline);
  co_return session;
}

Task<SessionPointer> open_websocket(std::shared_ptr<DaemonLink> link, Call call, CallOptions options) {
  const Deadline deadline = stream_deadline(options);
  const SessionPointer session = co_await make_session(link, name_of_call(call));
  const std::stop_token stop = options.stop;
  session->adopt(co_await link->hijack_websocket(std::move(call), std::move(options)));
  session->set_framing(StreamSession::Framing::raw);  // dockerd frames nothing here
  session->arm(stop, deadline);
  co_return session;
}

}  // namespace sockerless
