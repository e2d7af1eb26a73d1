#include "engine/events.hpp"

#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;

/// Time that moves when the test says so, a second an event otherwise.
class TestClock final : public Clock {
 public:
  TimePoint now() override { return TimePoint(std::chrono::seconds(++seconds_)); }

 private:
  std::atomic<std::int64_t> seconds_{1000};
};

Task<std::vector<std::string>> read_actions(EventStream& stream, std::size_t count) {
  std::vector<std::string> actions;
  while (actions.size() < count) {
    const auto event = co_await stream.next();
    if (!event) break;
    actions.push_back(*event->action);
  }
  co_return actions;
}

struct EventBusTest : testing::Test {
  TestClock clock;
  EventBus bus{clock, 8};

  std::vector<std::string> past(api::Filters filters) {
    EventOptions options;
    options.since = TimePoint(0s);
    options.until = TimePoint(std::chrono::seconds(2000));
    options.filters = std::move(filters);
    const auto stream = bus.subscribe(std::move(options));
    bus.close();
    return run(read_actions(*stream, 100));
  }
  void publish_all() {
    bus.publish("container", "start", "c1", {{"image", "busybox:1.36"}, {"name", "web"}, {"tier", "front"}});
    bus.publish("container", "exec_start: ls", "c2", {{"image", "alpine"}, {"name", "db"}});
    bus.publish("image", "pull", "busybox:1.36", {{"name", "busybox"}});
    bus.publish("network", "connect", "n1", {{"container", "c1"}, {"name", "bridge"}});
    bus.publish("volume", "create", "data", {{"driver", "local"}});
  }
};

TEST_F(EventBusTest, AnEventCarriesDockersMembers) {
  EventOptions options;
  const auto stream = bus.subscribe(std::move(options));
  bus.publish("container", "die", "abc", {{"image", "busybox"}, {"exitCode", "3"}});
  const auto event = *run(stream->next());
  EXPECT_EQ(event.type->str(), "container");
  EXPECT_EQ(*event.status, "die");
  EXPECT_EQ(*event.id, "abc");
  EXPECT_EQ(*event.from, "busybox");
  EXPECT_EQ(*event.actor->id, "abc");
  EXPECT_EQ(event.actor->attributes->at("exitCode"), "3");
  EXPECT_EQ(*event.time, *event.time_nano / 1'000'000'000);
  EXPECT_EQ(bus.listeners(), 1U);
}

TEST_F(EventBusTest, ThePastComesFirstThenTheLiveOnes) {
  bus.publish("container", "create", "a", {});
  bus.publish("container", "start", "a", {});
  EventOptions options;
  options.since = TimePoint(0s);
  const auto stream = bus.subscribe(std::move(options));
  const auto live_only = bus.subscribe({});
  bus.publish("container", "die", "a", {});
  EXPECT_EQ(run(read_actions(*stream, 3)), (std::vector<std::string>{"create", "start", "die"}));
  EXPECT_EQ(run(read_actions(*live_only, 1)), std::vector<std::string>{"die"});
}

TEST_F(EventBusTest, FiltersAreDockers) {
  publish_all();
  const auto with = [](std::string_view key, std::string_view value) {
    api::Filters filters;
    filters.add(key, value);
    return filters;
  };
  using Actions = std::vector<std::string>;
  EXPECT_EQ(past(with("container", "web")), (Actions{"start"}));
  EXPECT_EQ(past(with("type", "network")), Actions{"connect"});
  EXPECT_EQ(past(with("event", "exec_start")), Actions{"exec_start: ls"});
  EXPECT_EQ(past(with("image", "busybox")), (Actions{"start", "pull"}));
  EXPECT_EQ(past(with("label", "tier=front")), Actions{"start"});
  EXPECT_EQ(past(with("volume", "data")), Actions{"create"});
  EXPECT_EQ(past(with("network", "bridge")), Actions{"connect"});
  EXPECT_EQ(past(with("scope", "swarm")), Actions{});
  EXPECT_EQ(past({}).size(), 5U);
  api::Filters bad;
  bad.add("nonsense", "x");
  EXPECT_THROW(past(bad), Error);
}

TEST_F(EventBusTest, AReaderThatFallsBehindIsToldSo) {
  const auto stream = bus.subscribe({});
  for (int i = 0; i < 8; ++i) bus.publish("container", "start", "a", {});
  EXPECT_EQ(run(read_actions(*stream, 2)).size(), 2U);
  for (int i = 0; i < 7; ++i) bus.publish("container", "die", "a", {});
  try {
    run(stream->next());
    ADD_FAILURE() << "events were lost in silence";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
  }
}

TEST(EventBus, UntilEndsTheStreamInTime) {
  EventBus bus(system_clock());
  EventOptions options;
  options.until = system_clock().now() + 20ms;
  const auto stream = bus.subscribe(std::move(options));
  bus.publish("container", "start", "a", {});
  EXPECT_EQ(run(read_actions(*stream, 5)), std::vector<std::string>{"start"});
  EXPECT_GE(system_clock().now(), *options.until);
}

TEST(EventBus, EveryReaderOnEveryThreadSeesEveryEvent) {
  EventBus bus(system_clock(), 4096);
  asio::io_context context;
  TaskGroup group;
  std::atomic<int> complete{0};
  for (int i = 0; i < 8; ++i) {
    group.spawn("reader", asio::make_strand(context), [](std::unique_ptr<EventStream> stream, std::atomic<int>& done) -> Task<void> {
      const auto actions = co_await read_actions(*stream, 800);
      if (actions.size() == 800) ++done;
    }(bus.subscribe({}), complete));
  }
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&] { context.run(); });
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) bus.publish("container", "start", "a", {});
    });
  }
  threads.clear();
  EXPECT_EQ(complete, 8);
}

}  // namespace
}  // namespace sockerless
