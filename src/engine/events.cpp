#include "engine/events.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.hpp"

namespace sockerless {

namespace {

struct Published {
  std::uint64_t sequence = 0;
  TimePoint time;
  api::EventMessage message;
};
using PublishedPtr = std::shared_ptr<const Published>;

const std::string& attribute(const api::EventMessage& message, const std::string& key) {
  static const std::string kNone;
  if (!message.actor || !message.actor->attributes) return kNone;
  const auto it = message.actor->attributes->find(key);
  return it == message.actor->attributes->end() ? kNone : it->second;
}

std::string without_tag(std::string_view image) {
  const auto digest = image.find('@');
  if (digest != std::string_view::npos) return std::string(image.substr(0, digest));
  const auto colon = image.rfind(':');
  const auto slash = image.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) return std::string(image);
  return std::string(image.substr(0, colon));
}

/// The rules of dockerd's events filter: values of one key are alternatives, keys must all hold.
class EventFilter {
 public:
  explicit EventFilter(api::Filters filters) : filters_(std::move(filters)) {
    filters_.validate({"config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
                       "service", "type", "volume"});
  }

  bool matches(const api::EventMessage& message) const {
    if (filters_.empty()) return true;
    const std::string type(message.type ? message.type->str() : "");
    return matches_action(message) && filters_.exact_match("type", type) && filters_.exact_match("scope", "local") &&
           matches_actor("container", type, message) && matches_actor("volume", type, message) && matches_actor("network", type, message) &&
           matches_actor("daemon", type, message) && matches_foreign() && matches_image(type, message) && matches_labels(message);
  }

 private:
  bool matches_action(const api::EventMessage& message) const {
    const std::string& action = message.action ? *message.action : std::string();
    if (filters_.exact_match("event", action)) return true;
    // "exec_start: ls -l" is found as exec_start, "health_status: healthy" as health_status.
    const auto colon = action.find(':');
    return colon != std::string::npos && filters_.exact_match("event", action.substr(0, colon));
  }

  bool matches_actor(const std::string& key, const std::string& type, const api::EventMessage& message) const {
    if (!filters_.contains(key)) return true;
    const std::string id = message.actor && message.actor->id ? *message.actor->id : std::string();
    if (type != key) {
      // A network's or volume's event names the container it is about.
      return key == "container" && type != "image" && filters_.exact_match(key, attribute(message, "container")) &&
             !attribute(message, "container").empty();
    }
    const auto& wanted = filters_.get(key);
    return std::ranges::any_of(
        wanted, [&](const std::string& value) { return !value.empty() && (id.starts_with(value) || attribute(message, "name") == value); });
  }

  /// What there never is an event about.
  bool matches_foreign() const {
    return std::ranges::none_of(std::initializer_list<std::string_view>{"config", "node", "plugin", "secret", "service"},
                                [&](std::string_view key) { return filters_.contains(key); });
  }

  bool matches_image(const std::string& type, const api::EventMessage& message) const {
    if (!filters_.contains("image")) return true;
    const std::string& image = type == "image" ? attribute(message, "name") : attribute(message, "image");
    const std::string id = type == "image" && message.actor && message.actor->id ? *message.actor->id : std::string();
    return filters_.exact_match("image", id) || filters_.exact_match("image", image) || filters_.exact_match("image", without_tag(image));
  }

  bool matches_labels(const api::EventMessage& message) const {
    if (!filters_.contains("label") && !filters_.contains("label!")) return true;
    static const std::map<std::string, std::string> kNone;
    return filters_.match_labels(message.actor && message.actor->attributes ? *message.actor->attributes : kNone);
  }

  api::Filters filters_;
};

}  // namespace

struct EventBus::Impl {
  Impl(Clock& the_clock, std::size_t the_capacity) : clock(the_clock), capacity(the_capacity) {}

  // Set in the constructor, never changed.
  Clock& clock;
  const std::size_t capacity;
  // Under the mutex.
  mutable std::mutex mutex;
  std::deque<PublishedPtr> ring;
  std::uint64_t next_sequence = 1;
  TimePoint last_time = kNever;
  bool closed = false;
  // Any thread.
  Signal published;
  std::atomic<std::size_t> listeners{0};
};

namespace {

/// Reads the ring at its own position.
template <typename Bus>
class RingReader final : public EventStream {
 public:
  RingReader(std::shared_ptr<Bus> bus, EventOptions options)
      : bus_(std::move(bus)), since_(options.since), until_(options.until), filter_(std::move(options.filters)) {
    const std::scoped_lock lock(bus_->mutex);
    position_ = since_ && !bus_->ring.empty() ? bus_->ring.front()->sequence : bus_->next_sequence;
    live_from_ = bus_->next_sequence;
    ++bus_->listeners;
  }
  ~RingReader() override { --bus_->listeners; }
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;

  Task<std::optional<api::EventMessage>> next() override {
    for (;;) {
      const std::uint64_t seen = bus_->published.version();
      bool closed = false;
      while (PublishedPtr event = take(closed)) {
        if (until_ && event->time > *until_) co_return std::nullopt;
        const bool is_past = event->sequence < live_from_;
        if (is_past && event->time < *since_) continue;
        if (filter_.matches(event->message)) co_return event->message;
      }
      if (closed || (until_ && bus_->clock.now() >= *until_)) co_return std::nullopt;
      if (until_) {
        std::ignore = co_await race(bus_->published.wait_changed(seen), sleep_for(*until_ - bus_->clock.now()));
      } else {
        co_await bus_->published.wait_changed(seen);
      }
    }
  }

 private:
  PublishedPtr take(bool& closed) {
    const std::scoped_lock lock(bus_->mutex);
    closed = bus_->closed;
    if (bus_->ring.empty() || position_ >= bus_->next_sequence) return nullptr;
    const std::uint64_t oldest = bus_->ring.front()->sequence;
    if (position_ < oldest) {
      if (position_ >= live_from_) throw Error::unavailable("the event stream was read too slowly: {} events are lost", oldest - position_);
      position_ = oldest;  // the past is what the ring still holds
    }
    return bus_->ring[position_++ - oldest];
  }

  std::shared_ptr<Bus> bus_;
  std::optional<TimePoint> since_;
  std::optional<TimePoint> until_;
  EventFilter filter_;
  std::uint64_t position_ = 0;
  std::uint64_t live_from_ = 0;
};

}  // namespace

EventBus::EventBus(Clock& clock, std::size_t capacity) : impl_(std::make_shared<Impl>(clock, capacity)) {}
EventBus::~EventBus() { close(); }

void EventBus::publish(std::string type, std::string action, std::string actor, EventAttributes attributes) {
  api::EventMessage message;
  message.type = api::EventMessageType(type);
  message.action = action;
  if (type == "container" || type == "image") {
    message.status = action;
    message.id = actor;
  }
  if (type == "container") {
    if (const auto image = attributes.find("image"); image != attributes.end()) message.from = image->second;
  }
  message.actor.emplace();
  message.actor->id = std::move(actor);
  message.actor->attributes = std::move(attributes);
  message.scope = api::EventMessageScope(api::EventMessageScope::local);
  {
    const std::scoped_lock lock(impl_->mutex);
    const TimePoint now = std::max(impl_->clock.now(), impl_->last_time);
    impl_->last_time = now;
    message.time = unix_seconds(now);
    message.time_nano = unix_nanoseconds(now);
    impl_->ring.push_back(std::make_shared<const Published>(Published{impl_->next_sequence++, now, std::move(message)}));
    if (impl_->ring.size() > impl_->capacity) impl_->ring.pop_front();
  }
  impl_->published.notify();
}

std::unique_ptr<EventStream> EventBus::subscribe(EventOptions options) {
  return std::make_unique<RingReader<Impl>>(impl_, std::move(options));
}

void EventBus::close() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->closed = true;
  }
  impl_->published.notify();
}

std::size_t EventBus::listeners() const { return impl_->listeners; }

}  // namespace sockerless
