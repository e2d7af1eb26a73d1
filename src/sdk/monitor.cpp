#include "sdk/monitor.hpp"

#include <array>
#include <future>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "sdk/socket_file.hpp"

namespace sockerless {

namespace {

Logger log("sdk");

constexpr std::chrono::seconds kPingPatience{5};
constexpr std::chrono::milliseconds kShortest{10};

}  // namespace

std::string_view name_of(HealthEvent::Kind kind) {
  constexpr std::array<std::string_view, 8> kNames{
      "connected",       "disconnected",         "socket_gone",          "socket_appeared",
      "socket_replaced", "socket_owner_changed", "socket_group_changed", "socket_mode_changed"};
  return kNames[static_cast<std::size_t>(kind)];
}

struct Monitor::State {
  static Task<void> run(std::shared_ptr<State> self, std::shared_ptr<DaemonLink> link);
  static Task<void> run_with(State* self, DaemonLink* link);
  Task<void> ping(DaemonLink* link);
  void tell(HealthEvent::Kind kind, std::string message, DaemonLink& link);

  static void call(const HealthListener& listener, const HealthEvent& event);

  // On the link's thread.
  std::vector<HealthListener> listeners;
  std::optional<HealthEvent> last_answer;  // connected or disconnected
  asio::cancellation_signal cancellation;
  // Any thread.
  std::promise<void> ended;
};

void Monitor::State::tell(HealthEvent::Kind kind, std::string message, DaemonLink& link) {
  log.debug("health event={} message={}", name_of(kind), message);
  const HealthEvent event{.kind = kind, .message = std::move(message), .state = link.health().state()};
  if (kind == HealthEvent::Kind::connected || kind == HealthEvent::Kind::disconnected) last_answer = event;
  for (const HealthListener& listener : listeners) call(listener, event);
}

void Monitor::State::call(const HealthListener& listener, const HealthEvent& event) {
  try {
    listener(event);
  } catch (...) {
    log.warn("a health listener threw error={}", current_error().message());
  }
}

Task<void> Monitor::State::ping(DaemonLink* link) {
  std::string failure;
  try {
    const auto patience =
        link->config().timeout.count() > 0 ? std::min<std::chrono::milliseconds>(link->config().timeout, kPingPatience) : kPingPatience;
    std::ignore = co_await link->ping(Deadline::in(patience));
  } catch (const Failure& error) {
    failure = error.error().message;
  }
  const bool is_connected = failure.empty();
  if (last_answer && (last_answer->kind == HealthEvent::Kind::connected) == is_connected) co_return;
  tell(is_connected ? HealthEvent::Kind::connected : HealthEvent::Kind::disconnected,
       is_connected ? "the daemon answers at " + link->endpoint().str() : failure, *link);
}

Task<void> Monitor::State::run_with(State* self, DaemonLink* link) {
  const bool has_file = link->endpoint().kind == Endpoint::Kind::unix_socket;
  const std::string path = has_file ? link->endpoint().path : std::string();
  FolderWatch folder(co_await asio::this_coro::executor, path);
  if (has_file) folder.watch();
  SocketFile before = has_file ? look_at_socket(path) : SocketFile{};
  co_await self->ping(link);
  const Deadline::Clock::duration interval = link->config().health_check_interval;
  auto next_ping = Deadline::Clock::now() + interval;
  // A daemon makes its socket before it listens at it: after a change the next pings come quickly, each twice as late as the one before.
  Deadline::Clock::duration settling = interval;
  for (;;) {
    auto wake_at = next_ping;
    if (const auto retry = link->health().next_try()) wake_at = std::min(wake_at, *retry);
    const auto wait = std::max<Deadline::Clock::duration>(wake_at - Deadline::Clock::now(), kShortest);
    const bool is_due = co_await race(sleep_for(wait), folder.wait_event()) == First::one;
    if (has_file) folder.watch();
    const SocketFile after = has_file ? look_at_socket(path) : SocketFile{};
    const std::vector<SocketChange> changes = changes_between(before, after, path);
    before = after;
    if (!changes.empty()) link->forget_daemon();
    for (const SocketChange& change : changes) self->tell(change.kind, change.message, *link);
    if (!changes.empty()) {
      settling = after.exists ? kShortest : interval;
    }
    if (!is_due && changes.empty()) continue;  // something else in the folder
    if (settling < interval) link->health().hope();
    co_await self->ping(link);
    if (self->last_answer && self->last_answer->kind == HealthEvent::Kind::connected) settling = interval;
    next_ping = Deadline::Clock::now() + settling;
    settling = std::min(settling * 2, interval);
  }
}

Task<void> Monitor::State::run(std::shared_ptr<State> self, std::shared_ptr<DaemonLink> link) {
  try {
    co_await run_with(self.get(), link.get());
  } catch (...) {
    const Error error = current_error();
    if (error.code() != ErrorCode::cancelled) log.error("the monitor failed error={}", error.what());
  }
}

Monitor::Monitor(std::shared_ptr<DaemonLink> link) : state_(std::make_shared<State>()), thread_(link->io_thread()) {
  asio::co_spawn(
      thread_.executor(), State::run(state_, std::move(link)),
      asio::bind_cancellation_slot(state_->cancellation.slot(), [state = state_](const std::exception_ptr&) { state->ended.set_value(); }));
}

Monitor::~Monitor() {
  asio::post(thread_.executor(), [state = state_] { state->cancellation.emit(asio::cancellation_type::terminal); });
  if (!thread_.is_current()) state_->ended.get_future().wait();
}

void Monitor::add_listener(HealthListener listener) noexcept {
  try {
    asio::post(thread_.executor(), [state = state_, listener = std::move(listener)]() mutable {
      if (state->last_answer) State::call(listener, *state->last_answer);
      state->listeners.push_back(std::move(listener));
    });
  } catch (...) {
    log.error("a health listener was lost: out of memory");
  }
}

}  // namespace sockerless
