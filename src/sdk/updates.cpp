#include "sockerless/updates.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "sdk/high_level.hpp"
#include "sockerless/manager.hpp"

namespace sockerless {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

Filters filters_of(const WatchOptions& which) {
  Filters filters{{"type", "container"}};
  for (const std::string& container : which.containers) filters.add("container", container);
  for (const std::string& label : which.labels) filters.add("label", label);
  for (const std::string& action : which.actions) filters.add("event", action);
  return filters;
}

ContainerUpdate update_of(const api::EventMessage& event) {
  ContainerUpdate update{.action = event.action.value_or(event.status.value_or(""))};
  if (event.actor) {
    update.container_id = event.actor->id.value_or("");
    update.attributes = event.actor->attributes.value_or(std::map<std::string, std::string>());
  }
  if (event.time_nano) {
    update.time = TimePoint(std::chrono::nanoseconds(*event.time_nano));
  } else {
    update.time = TimePoint(std::chrono::seconds(event.time.value_or(0)));
  }
  for (const auto& [key, into] : {std::pair{"name", &update.name}, {"image", &update.image}}) {
    const auto found = update.attributes.extract(key);
    if (found) *into = found.mapped();
  }
  return update;
}

/// What a daemon that comes back mends.
bool passes(const DockerError& error) {
  return error.type == DockerErrorType::connection || error.type == DockerErrorType::timeout || error.recoverable ||
         error.type == DockerErrorType::server_error;
}

DockerError ended(DockerErrorType type, std::string_view how) {
  return {.type = type, .message = fmt::format("the updates {}", how), .recoverable = type == DockerErrorType::timeout};
}

}  // namespace

/// The events are asked for again from the last one on, whose instant is included: those of that instant that were given out already are
/// known by heart.
struct UpdateReader::Impl {
  explicit Impl(Client its_client, const WatchOptions& which) : client(std::move(its_client)), filters(filters_of(which)) {
    outer.emplace(which.stop, [this] { source.request_stop(); });
  }

  void open() {
    api::SystemEventsParams params{.filters = filters};
    if (was_open) params.since = last.value_or(opened_at);
    CallOptions options{.stop = source.get_token()};
    if (deadline) options.timeout = std::max(milliseconds(1), std::chrono::ceil<milliseconds>(*deadline - Clock::now()));
    Result<MessageReader<api::EventMessage>> opened = client.system_events(params, std::move(options));
    if (!opened) throw Failure(std::move(opened).error());
    if (!was_open) opened_at = std::chrono::system_clock::now();
    events.emplace(*std::move(opened));
    was_open = true;
  }

  /// Nullopt: it is one that was given out before the stream broke.
  std::optional<ContainerUpdate> take(const api::EventMessage& event) {
    ContainerUpdate update = update_of(event);
    if (!last || update.time > *last) {
      last = update.time;
      given_out.clear();
    }
    const bool is_new = update.time < *last || given_out.insert(update.container_id + ' ' + update.action).second;
    return is_new ? std::optional(std::move(update)) : std::nullopt;
  }

  void check() const {
    if (source.stop_requested()) throw Failure(ended(DockerErrorType::cancelled, "were cancelled"));
    if (deadline && Clock::now() >= *deadline) throw Failure(ended(DockerErrorType::timeout, "took too long"));
  }

  void pause() {
    const DockerConfig& config = client.config();
    const int doublings = std::min(failures++, 20);
    const milliseconds longest = std::max(config.max_retry_delay, milliseconds(1));
    const milliseconds wait = std::clamp(milliseconds(config.retry_delay * (1L << doublings)), milliseconds(1), longest);
    auto until = Clock::now() + wait;
    if (deadline) until = std::min(until, *deadline);
    std::unique_lock lock(mutex);
    condition.wait_until(lock, source.get_token(), until, [] { return false; });
  }

  /// One try. @errors Failure.
  std::optional<ContainerUpdate> attempt() {
    if (!events) {
      const bool again = was_open;
      open();
      failures = 0;
      if (again)
        return ContainerUpdate{.kind = ContainerUpdate::Kind::reconnected, .action = "reconnected", .time = last.value_or(opened_at)};
    }
    if (deadline) events->set_deadline(*deadline);
    Result<std::optional<api::EventMessage>> event = events->next();
    if (!event) throw Failure(std::move(event).error());
    if (!*event)
      throw Failure({.type = DockerErrorType::connection, .message = "the daemon ended the stream of events", .recoverable = true});
    return take(**event);
  }

  ContainerUpdate next() {
    for (;;) {
      check();
      try {
        if (auto update = attempt()) return *std::move(update);
        continue;
      } catch (const Failure& failure) {
        events.reset();
        check();
        if (!passes(failure.error())) throw;
      }
      pause();
    }
  }

  Client client;
  Filters filters;
  std::stop_source source;
  std::optional<Clock::time_point> deadline;
  std::optional<MessageReader<api::EventMessage>> events;
  bool was_open = false;
  int failures = 0;
  TimePoint opened_at{};            // by this machine's clock; counts while there was no event, whose time is the daemon's
  std::optional<TimePoint> last;    // of the latest event
  std::set<std::string> given_out;  // of that instant
  std::mutex mutex;
  std::condition_variable_any condition;
  std::optional<std::stop_callback<std::function<void()>>> outer;
};

UpdateReader::UpdateReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UpdateReader::UpdateReader(UpdateReader&&) noexcept = default;
UpdateReader& UpdateReader::operator=(UpdateReader&&) noexcept = default;
UpdateReader::~UpdateReader() = default;

Result<std::optional<ContainerUpdate>> UpdateReader::next() {
  return without_throwing([&] { return std::optional(impl_->next()); });
}

void UpdateReader::cancel() noexcept { impl_->source.request_stop(); }
void UpdateReader::set_deadline(std::chrono::steady_clock::time_point deadline) noexcept { impl_->deadline = deadline; }

Result<UpdateReader> DockerManager::watch(const WatchOptions& which) const {
  return without_throwing([&] {
    UpdateReader reader(std::make_unique<UpdateReader::Impl>(client_, which));
    reader.impl_->open();
    return reader;
  });
}

// --- on a thread -----------------------------------------------------------------------------------------------------------------------

struct Subscription::Impl {
  Impl(UpdateReader its_reader, UpdateListener listener)
      : reader(std::move(its_reader)), thread([this, listener = std::move(listener)] { run(listener); }) {}
  ~Impl() {
    reader.cancel();
    thread.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void run(const UpdateListener& listener) noexcept {
    for (Result<ContainerUpdate>& update : reader) {
      if (!update && update.error().type == DockerErrorType::cancelled) return;
      std::ignore = without_throwing([&] { listener(update); });  // the caller's own business, and there is nobody to tell
    }
  }

  UpdateReader reader;
  std::thread thread;
};

Subscription::Subscription(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&&) noexcept = default;
Subscription::~Subscription() = default;

void Subscription::cancel() noexcept { impl_->reader.cancel(); }

Result<Subscription> DockerManager::subscribe(UpdateListener listener, const WatchOptions& which) const {
  return without_throwing(
      [&] { return Subscription(std::make_unique<Subscription::Impl>(value_or_throw(watch(which)), std::move(listener))); });
}

}  // namespace sockerless
