#include "sdk/daemon_link.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <sys/socket.h>

#include "base/log.hpp"
#include "net/websocket.hpp"
#include "sdk/ssh_dial.hpp"

namespace sockerless {

namespace {

Logger log("sdk");

constexpr int kLongFactor = 10;

net::Address address_of(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::unix_socket) return net::Address::unix_socket(endpoint.path);
  return net::Address::tcp(endpoint.host, endpoint.port);
}

Deadline sooner(Deadline one, Deadline other) { return one.at() < other.at() ? one : other; }

Deadline in_or_never(std::chrono::milliseconds time) { return time.count() > 0 ? Deadline::in(time) : Deadline::never(); }

Task<void> read_rest(net::ClientStream& stream, std::size_t limit, std::string* out) {
  std::array<std::byte, 16UL * 1024> buffer{};
  while (const std::size_t count = co_await stream.read_some(buffer)) {
    if (out->size() + count > limit) throw Error::too_large("the daemon's answer is larger than {} bytes", limit);
    *out += as_text(std::span(buffer).first(count));
  }
}

/// The error that a streaming answer is instead.
Task<DockerError> refusal_of(net::ClientStream& stream, Deadline deadline) {
  constexpr std::size_t kMaxRefusal = 1024UL * 1024;
  std::string body;
  co_await with_deadline(read_rest(stream, kMaxRefusal, &body), deadline, "reading the daemon's refusal");
  co_return api_error(stream.head().status, stream.head().headers, body);
}

DockerError error_of_attempt(const Error& failure, const net::RequestProgress& progress) {
  DockerError error = docker_error_of(failure);
  error.code = progress.connect_errno;
  if (progress.connect_errno != EACCES && progress.connect_errno != EPERM) return error;
  error.type = DockerErrorType::permission;
  error.recoverable = false;
  return error;
}

Task<void> until_stopped(std::stop_token stop) {
  const auto executor = co_await asio::this_coro::executor;
  const auto timer = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  const std::stop_callback wake(stop, [timer, executor] { asio::post(executor, [timer] { timer->cancel(); }); });
  boost::system::error_code ignored;  // an abort, whoever caused it
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Task<void> copy_both(std::unique_ptr<ByteStream> ssh, std::unique_ptr<ByteStream> local, Guarded<std::string>* failure) {
  const auto copy = [](ByteStream& from, ByteStream& to, ByteStream& one, ByteStream& other, Guarded<std::string>* why) -> Task<void> {
    try {
      std::ignore = co_await copy_stream(from, to);
      co_return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cancelled) why->write([&](std::string& text) { text = error.what(); });
    }
    one.close();
    other.close();
  };
  co_await both(copy(*ssh, *local, *ssh, *local, failure), copy(*local, *ssh, *ssh, *local, failure));
}

}  // namespace

void wait_as_asked(Call& call, const std::optional<std::int64_t>& seconds) {
  constexpr std::int64_t kDaemonsDefault = 10;
  constexpr std::int64_t kLongest = 365L * 24 * 3600;
  const std::int64_t wait = seconds.value_or(kDaemonsDefault);
  if (wait < 0) call.patience = Call::Patience::endless;
  call.extra = std::chrono::seconds(std::clamp<std::int64_t>(wait, 0, kLongest));
}

Task<void> with_stop(Task<void> operation, std::stop_token stop) {
  if (!stop.stop_possible()) {
    co_await std::move(operation);
    co_return;
  }
  if (stop.stop_requested() || co_await race(std::move(operation), until_stopped(stop)) == First::other) throw Error::cancelled();
}

DaemonLink::DaemonLink(DockerConfig config, HealthSources sources, const HostEnvironment& environment)
    : config_(std::move(config)),
      endpoint_(config_.daemon()),
      environment_(environment),
      health_(config_, std::move(sources)),
      calls_(config_.max_connections),
      streams_(config_.max_streams),
      version_(config_.api_version ? std::optional(api::ApiVersion::parse(*config_.api_version)) : std::nullopt),
      http_(address_of(endpoint_), http_options()) {}

DaemonLink::~DaemonLink() {
  // A thread of the pool holds the I/O thread's context until a moment after it has handed its result over: it ends before the context.
  if (io_thread_) io_thread_->stop();
  pool_.reset();
}

net::ClientOptions DaemonLink::http_options() {
  net::ClientOptions options{
      .max_idle = config_.max_connections, .max_response_bytes = config_.max_response_bytes, .connect_timeout = config_.connect_timeout};
  if (endpoint_.kind == Endpoint::Kind::tls) {
    const TlsFiles& files = endpoint_.tls;
    options.tls = net::TlsConfig{
        .ca_file = files.ca_file, .certificate_file = files.certificate_file, .key_file = files.key_file, .verify_peer = files.verify};
  }
  if (endpoint_.kind == Endpoint::Kind::ssh) {
    options.host_header = "docker";
    options.dial = [this] { return dial_ssh(); };
  }
  return options;
}

IoThread& DaemonLink::io_thread() {
  std::call_once(io_once_, [this] { io_thread_ = std::make_unique<IoThread>(); });
  return *io_thread_;
}

BlockingPool& DaemonLink::blocking_pool() {
  std::call_once(pool_once_, [this] { pool_ = std::make_unique<BlockingPool>(1); });
  return *pool_;
}

void DaemonLink::forget_daemon() {
  http_.drop_idle();
  if (!config_.api_version) version_.write([](auto& version) { version.reset(); });
}

Deadline DaemonLink::deadline_of(const Call& call, const CallOptions& options) const {
  if (options.timeout) return in_or_never(*options.timeout);
  if (call.patience == Call::Patience::endless) return Deadline::never();
  const int factor = call.patience == Call::Patience::long_ ? kLongFactor : 1;
  return in_or_never(config_.timeout.count() > 0 ? config_.timeout * factor + call.extra : std::chrono::milliseconds{});
}

// --- one attempt after the other -------------------------------------------------------------------------------------------------------

Task<void> DaemonLink::with_retries(std::string what, bool idempotent, bool timeout_is_failure, CallOptions options, Deadline deadline,
                                    Attempt attempt) {
  const int repetitions = options.retry_attempts.value_or(config_.retry_attempts);
  for (int failures = 1;; ++failures) {
    Health::Permit permit = health_.admit();
    net::RequestProgress progress;
    std::optional<DockerError> error;
    std::optional<ErrorCode> broke;
    try {
      error = co_await attempt(&progress);
    } catch (const Error& failure) {
      error = error_of_attempt(failure, progress);
      broke = failure.code();
    }
    const bool timed_out = broke == ErrorCode::deadline_exceeded;
    const bool unreachable = broke == ErrorCode::unavailable || (timed_out && !progress.connected);
    if (unreachable && !progress.answered) *error = co_await explain(std::move(*error), progress);
    if (!broke || progress.answered) {
      permit.reached();
    } else if (unreachable || (timed_out && timeout_is_failure)) {
      permit.failed(*error);
    }
    if (!error) co_return;
    const bool busy = error->type == DockerErrorType::throttled || error->type == DockerErrorType::unavailable;
    const bool may_help = (unreachable && error->type != DockerErrorType::permission) || busy;
    if (!may_help || (progress.sent && !idempotent) || failures > repetitions) throw Failure(std::move(*error));
    const auto delay = std::max(health_.retry_delay(failures), error->retry_after.value_or(std::chrono::milliseconds{}));
    if (!deadline.is_never() && Deadline::Clock::now() + delay >= deadline.at()) throw Failure(std::move(*error));
    log.debug("repeating call={} failures={} delay_ms={} error={}", what, failures, delay.count(), error->message);
    co_await sleep_for(delay);
  }
}

Task<DockerError> DaemonLink::explain(DockerError error, net::RequestProgress progress) {
  if (endpoint_.kind == Endpoint::Kind::ssh) {
    const std::string why = ssh_failure_.read([](const std::string& text) { return text; });
    if (!why.empty()) error.message = fmt::format("cannot reach the Docker daemon at {}: {}", endpoint_.str(), why);
    co_return error;
  }
  if (endpoint_.kind != Endpoint::Kind::unix_socket || progress.connect_errno == 0) co_return error;
  const ConnectDiagnosis diagnosis = co_await diagnose(progress.connect_errno);
  error.message = fmt::format("cannot connect to the Docker daemon at {}: {}", endpoint_.str(), diagnosis.text());
  co_return error;
}

Task<ConnectDiagnosis> DaemonLink::diagnose(int connect_errno) {
  return run_blocking(blocking_pool(), [this, connect_errno] {
    return diagnose_connect(blocking_gather_connect_facts(endpoint_.path, connect_errno, config_.source, config_.context, environment_));
  });
}

Deadline DaemonLink::answer_deadline(Deadline deadline) const { return sooner(deadline, in_or_never(config_.answer_timeout)); }

Task<net::Response> DaemonLink::ping(Deadline deadline) {
  Health::Permit permit = health_.admit_ping();
  net::RequestProgress progress;
  std::optional<DockerError> error;
  try {
    net::Response response =
        co_await http_.request({.target = "/_ping", .headers = {{"User-Agent", config_.user_agent}}}, deadline, &progress);
    permit.reached();
    co_return response;
  } catch (const Error& failure) {
    if (failure.code() == ErrorCode::cancelled) throw;
    error = error_of_attempt(failure, progress);
  }
  if (!progress.answered) *error = co_await explain(std::move(*error), progress);
  permit.failed(*error);
  throw Failure(std::move(*error));
}

Task<RawAttempt> DaemonLink::begin_raw(net::RawConnection* kept, net::Reuse reuse, Admission admission) {
  Health::Permit permit = admission == Admission::always ? health_.admit_ping() : health_.admit();
  if (kept != nullptr && kept->try_reuse()) co_return RawAttempt{.connection = std::move(*kept), .permit = std::move(permit)};
  net::RequestProgress progress;
  std::optional<DockerError> error;
  try {
    net::RawConnection connection = co_await http_.connect_raw(reuse, in_or_never(config_.connect_timeout), &progress);
    co_return RawAttempt{.connection = std::move(connection), .permit = std::move(permit)};
  } catch (const Error& failure) {
    if (failure.code() == ErrorCode::cancelled) throw;
    error = error_of_attempt(failure, progress);
  }
  *error = co_await explain(std::move(*error), progress);
  permit.failed(*error);
  throw Failure(std::move(*error));
}

Task<api::ApiVersion> DaemonLink::version(Deadline deadline) {
  if (const auto known = version_.read([](const auto& version) { return version; })) co_return *known;
  net::Response response;
  co_await run_request({.path = "/_ping", .has_version = false}, {}, deadline, &response);
  const auto told = response.headers.find("Api-Version");
  const std::optional<api::ApiVersion> theirs = told ? api::ApiVersion::find(*told) : std::nullopt;
  if (!theirs) {
    throw Failure({.type = DockerErrorType::connection,
                   .message = fmt::format("what answers at {} is not a Docker daemon: its /_ping names no Api-Version", endpoint_.str())});
  }
  if (*theirs < api::kMinApiVersion) {
    throw Failure({.type = DockerErrorType::unknown,
                   .message = fmt::format("the daemon at {} speaks API {} only, which is older than {}", endpoint_.str(), theirs->str(),
                                          api::kMinApiVersion.str())});
  }
  const api::ApiVersion version = std::min(*theirs, api::kDefaultApiVersion);
  version_.write([&](auto& known) { known = version; });
  co_return version;
}

Task<net::ClientRequest> DaemonLink::prepare(Call* call, Deadline deadline) {
  std::string target;
  if (call->has_version) target = "/v" + (co_await version(deadline)).str();
  target += call->path;
  if (!call->query.empty()) target += "?" + call->query;
  net::ClientRequest request{.method = call->method, .target = std::move(target), .body = std::move(call->body)};
  request.headers.add("User-Agent", config_.user_agent);
  if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
  for (const auto& [name, value] : call->headers) request.headers.set(name, value);
  co_return request;
}

// --- the whole exchange ----------------------------------------------------------------------------------------------------------------

Task<std::optional<DockerError>> DaemonLink::attempt_request(const net::ClientRequest* request, Deadline deadline,
                                                             net::RequestProgress* progress, net::Response* out) {
  *out = {};
  if (config_.answer_timeout.count() == 0) {
    *out = co_await http_.request(*request, deadline, progress);
  } else {
    const auto stream = co_await http_.open(*request, net::BodyMode::whole, answer_deadline(deadline), progress);
    out->status = stream->head().status;
    out->headers = stream->head().headers;
    co_await with_deadline(read_rest(*stream, config_.max_response_bytes, &out->body), deadline, "reading the daemon's answer");
  }
  if (out->status >= 300) co_return api_error(out->status, out->headers, out->body);
  co_return std::nullopt;
}

Task<std::optional<DockerError>> DaemonLink::attempt_again(const net::ClientRequest* request, Deadline deadline,
                                                           net::RequestProgress* progress, net::Response* out, bool* was_sent) {
  const bool sent_before = *was_sent;
  std::exception_ptr broke;
  std::optional<DockerError> error;
  try {
    error = co_await attempt_request(request, deadline, progress, out);
  } catch (...) {
    broke = std::current_exception();
  }
  // An answer, as 503, says that it was not done: only one that never came leaves that open.
  *was_sent = sent_before || (broke && progress->sent);
  if (broke) std::rethrow_exception(broke);
  const bool maybe_done = sent_before || progress->repeated;
  if (request->method == net::Method::delete_ && maybe_done && error && error->type == DockerErrorType::not_found) {
    *out = {.status = 204, .headers = {}, .body = {}};
    co_return std::nullopt;
  }
  co_return error;
}

Task<void> DaemonLink::run_request(Call call, CallOptions options, Deadline deadline, net::Response* out) {
  const net::ClientRequest request = co_await prepare(&call, deadline);
  const ConnectionSlots::Lease slot = co_await calls_.acquire(deadline);
  const bool usual = call.patience == Call::Patience::usual;
  bool was_sent = false;
  co_await with_retries(call.path, net::is_idempotent(call.method), usual, std::move(options), deadline,
                        [&](net::RequestProgress* progress) { return attempt_again(&request, deadline, progress, out, &was_sent); });
}

Task<net::Response> DaemonLink::request(Call call, CallOptions options) {
  net::Response response;
  const Deadline deadline = deadline_of(call, options);
  const std::stop_token stop = options.stop;
  co_await with_stop(run_request(std::move(call), std::move(options), deadline, &response), stop);
  co_return response;
}

// --- streams ---------------------------------------------------------------------------------------------------------------------------

Task<std::optional<DockerError>> DaemonLink::attempt_open(const net::ClientRequest* request, Deadline deadline,
                                                          net::RequestProgress* progress, OpenAnswer* out) {
  out->stream = co_await http_.open(*request, net::BodyMode::whole, answer_deadline(deadline), progress);
  if (out->stream->head().status < 300) co_return std::nullopt;
  DockerError error = co_await refusal_of(*out->stream, deadline);
  out->stream.reset();
  co_return error;
}

Task<void> DaemonLink::run_open(Call call, CallOptions options, net::BodyMode mode, OpenAnswer* out) {
  const Deadline deadline = deadline_of(call, options);
  const net::ClientRequest request = co_await prepare(&call, deadline);
  out->slot = co_await streams_.acquire(deadline);
  if (mode == net::BodyMode::whole) {
    co_await with_retries(call.path, net::is_idempotent(call.method), true, std::move(options), deadline,
                          [&](net::RequestProgress* progress) { return attempt_open(&request, deadline, progress, out); });
  } else {
    // Never idempotent: once the body's first bytes were pulled from the caller they are gone.
    co_await with_retries(call.path, false, true, std::move(options), deadline,
                          [&](net::RequestProgress* progress) { return attempt_upload(&request, deadline, progress, out); });
  }
}

Task<std::optional<DockerError>> DaemonLink::attempt_upload(const net::ClientRequest* request, Deadline deadline,
                                                            net::RequestProgress* progress, OpenAnswer* out) {
  out->stream = co_await http_.open(*request, net::BodyMode::streamed, deadline, progress);
  co_return std::nullopt;
}

Task<OpenAnswer> DaemonLink::open(Call call, CallOptions options) {
  OpenAnswer answer;
  const std::stop_token stop = options.stop;
  co_await with_stop(run_open(std::move(call), std::move(options), net::BodyMode::whole, &answer), stop);
  co_return answer;
}

Task<OpenAnswer> DaemonLink::open_upload(Call call, CallOptions options) {
  OpenAnswer answer;
  const std::stop_token stop = options.stop;
  co_await with_stop(run_open(std::move(call), std::move(options), net::BodyMode::streamed, &answer), stop);
  co_return answer;
}

Task<std::optional<DockerError>> DaemonLink::attempt_hijack(const net::ClientRequest* request, Deadline deadline,
                                                            net::RequestProgress* progress, OpenConnection* out) {
  net::Upgraded upgraded = co_await http_.upgrade(*request, answer_deadline(deadline), progress);
  if (upgraded.head.status >= 300) co_return api_error(upgraded.head.status, upgraded.head.headers, upgraded.body);
  out->head = std::move(upgraded.head);
  out->stream = std::move(upgraded.stream);
  co_return std::nullopt;
}

Task<void> DaemonLink::run_hijack(Call call, CallOptions options, OpenConnection* out) {
  const Deadline deadline = deadline_of(call, options);
  const net::ClientRequest request = co_await prepare(&call, deadline);
  out->slot = co_await streams_.acquire(deadline);
  co_await with_retries(call.path, net::is_idempotent(call.method), true, std::move(options), deadline,
                        [&](net::RequestProgress* progress) { return attempt_hijack(&request, deadline, progress, out); });
}

Task<OpenConnection> DaemonLink::hijack(Call call, CallOptions options) {
  OpenConnection connection;
  const std::stop_token stop = options.stop;
  co_await with_stop(run_hijack(std::move(call), std::move(options), &connection), stop);
  co_return connection;
}

Task<void> DaemonLink::run_websocket(Call call, Deadline deadline, OpenConnection* out) {
  const net::ClientRequest request = co_await prepare(&call, deadline);
  out->slot = co_await streams_.acquire(deadline);
  try {
    out->stream = net::as_byte_stream(co_await http_.websocket(request.target, request.headers, deadline));
  } catch (const Error& error) {
    const int status = http_status(error.code());
    const bool is_refusal = status >= 400 && status < 500 && error.code() != ErrorCode::cancelled;
    if (!is_refusal) throw;  // else the daemon's answer to the handshake, which the client of net/ has made an Error of
    throw Failure(api_error(status, {}, net::message_body(error.message())));
  }
}

Task<OpenConnection> DaemonLink::hijack_websocket(Call call, CallOptions options) {
  OpenConnection connection;
  const Deadline deadline = deadline_of(call, options);
  const std::stop_token stop = options.stop;
  co_await with_stop(run_websocket(std::move(call), deadline, &connection), stop);
  co_return connection;
}

// --- ssh -------------------------------------------------------------------------------------------------------------------------------

Task<UniqueFd> DaemonLink::dial_ssh() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw from_errno(errno, "socketpair");
  UniqueFd ours(ends[0]);
  UniqueFd pumped(ends[1]);
  UniqueFd second(::dup(pumped.get()));
  if (!second) throw from_errno(errno, "dup");
  // ssh lives on the link's own thread, since its stream cannot change executors as pooled connections do.
  const asio::any_io_executor executor = io_thread().executor();
  ssh_failure_.write([](std::string& text) { text.clear(); });
  auto ssh = open_ssh_stream(executor, endpoint_, environment_);
  auto local = make_fd_stream(executor, std::move(pumped), std::move(second));
  asio::co_spawn(executor, copy_both(std::move(ssh), std::move(local), &ssh_failure_), [](const std::exception_ptr&) {
    // It ends with either side; the link's thread ends it when the link goes. Why ssh failed is in ssh_failure_.
  });
  co_return ours;
}

}  // namespace sockerless
