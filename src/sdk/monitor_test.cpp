#include <condition_variable>
#include <filesystem>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sdk/scripted_daemon.hpp"
#include "sdk/socket_file.hpp"
#include "sockerless/client.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using Kind = HealthEvent::Kind;

/// What the monitor told, and a way to wait for it.
class Events {
 public:
  void add(const HealthEvent& event) {
    const std::scoped_lock lock(mutex_);
    seen_.push_back(event.kind);
    changed_.notify_all();
  }
  /// Forgets everything up to it. False: not within ten seconds.
  bool wait_for(Kind kind) {
    std::unique_lock lock(mutex_);
    const auto place = [&] { return std::ranges::find(seen_, kind); };
    if (!changed_.wait_for(lock, 10s, [&] { return place() != seen_.end(); })) return false;
    seen_.erase(seen_.begin(), place() + 1);
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Kind> seen_;
};

std::vector<Kind> kinds_of(const std::vector<SocketChange>& changes) {
  std::vector<Kind> kinds;
  for (const SocketChange& change : changes) kinds.push_back(change.kind);
  return kinds;
}

TEST(SocketFile, ItsChangesHaveNames) {
  const SocketFile file{.exists = true, .device = 1, .inode = 2, .owner = 0, .group = 10, .mode = 0660};
  const auto with = [&](auto change) {
    SocketFile other = file;
    change(other);
    return kinds_of(changes_between(file, other, "/s"));
  };
  using testing::ElementsAre;
  EXPECT_THAT(with([](SocketFile&) {}), testing::IsEmpty());
  EXPECT_THAT(with([](SocketFile& other) { other = {}; }), ElementsAre(Kind::socket_gone));
  EXPECT_THAT(kinds_of(changes_between({}, file, "/s")), ElementsAre(Kind::socket_appeared));
  EXPECT_THAT(kinds_of(changes_between({}, {}, "/s")), testing::IsEmpty());
  EXPECT_THAT(with([](SocketFile& other) { other.inode = 3; }), ElementsAre(Kind::socket_replaced));
  EXPECT_THAT(with([](SocketFile& other) { other.device = 3; }), ElementsAre(Kind::socket_replaced));
  EXPECT_THAT(with([](SocketFile& other) {
                other.owner = 5;
                other.group = 5;
                other.mode = 0600;
              }),
              ElementsAre(Kind::socket_owner_changed, Kind::socket_group_changed, Kind::socket_mode_changed));
  SocketFile closed = file;
  closed.mode = 0600;
  EXPECT_EQ(changes_between(file, closed, "/s").front().message, "the mode of /s was 0660 and is 0600");
  for (int kind = 0; kind <= static_cast<int>(Kind::socket_mode_changed); ++kind) EXPECT_FALSE(name_of(static_cast<Kind>(kind)).empty());
}

/// Pings so rarely that only what inotify tells can be in time.
Client open_client(const std::string& path, Events& events, std::chrono::milliseconds interval = 1h) {
  DockerConfig config;
  config.socket_path = path;
  config.retry_attempts = 0;
  config.health_check_interval = interval;
  config.breaker_failures = 1;
  config.breaker_delay = 1h;
  config.max_breaker_delay = 1h;
  Result<Client> client = Client::open(config);
  EXPECT_TRUE(client) << client.error();
  client->on_health([&events](const HealthEvent& event) { events.add(event); });
  client->on_health([](const HealthEvent&) { throw std::runtime_error("a listener that throws"); });
  return *std::move(client);
}

TEST(Monitor, SeesTheSocketGoComeAndChange) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "{}"); });
  Events events;
  const Client client = open_client(daemon.path(), events);
  ASSERT_TRUE(client.system_info());
  ASSERT_TRUE(events.wait_for(Kind::connected));
  daemon.stop();
  ASSERT_TRUE(events.wait_for(Kind::socket_gone));
  ASSERT_TRUE(events.wait_for(Kind::disconnected));
  EXPECT_FALSE(client.connection_state().is_connected);
  const auto refused = client.system_info();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().retry_after) << "the breaker opened without a call of ours, for an hour";

  daemon.start();
  ASSERT_TRUE(events.wait_for(Kind::socket_appeared));
  ASSERT_TRUE(events.wait_for(Kind::connected)) << "it waits for no timer";
  EXPECT_TRUE(client.system_info()) << "the next call works";
  EXPECT_EQ(client.breaker_state(), BreakerState::closed);

  ASSERT_EQ(::chmod(daemon.path().c_str(), 0600), 0);
  ASSERT_TRUE(events.wait_for(Kind::socket_mode_changed));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(daemon.path().c_str(), 12345, 12346), 0);
    ASSERT_TRUE(events.wait_for(Kind::socket_owner_changed));
    ASSERT_TRUE(events.wait_for(Kind::socket_group_changed));
  }
}

TEST(Monitor, SeesThatTheSocketWasReplaced) {
  ScriptedDaemon first([](ScriptedConnection& connection) { connection.answer(200, "{}"); });
  ScriptedDaemon second([](ScriptedConnection& connection) { connection.answer(200, "{}"); }, "1.41");
  Events events;
  const Client client = open_client(first.path(), events);
  ASSERT_TRUE(client.api_version());
  ASSERT_TRUE(events.wait_for(Kind::connected));
  std::filesystem::rename(second.path(), first.path());
  ASSERT_TRUE(events.wait_for(Kind::socket_replaced));
  ASSERT_TRUE(client.ping());
  const Result<std::string> version = client.api_version();
  ASSERT_TRUE(version) << version.error();
  EXPECT_EQ(*version, "1.41") << "another daemon may speak another version";
}

TEST(Monitor, PingsADaemonThatOnlyStoppedAnswering) {
  std::atomic<bool> is_dead = false;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (is_dead) return connection.close();
    connection.answer(200, "OK", "Api-Version: 1.44\r\n");
  });
  daemon.script_pings();
  Events events;
  const Client client = open_client(daemon.path(), events, 10ms);
  ASSERT_TRUE(events.wait_for(Kind::connected));
  is_dead = true;
  ASSERT_TRUE(events.wait_for(Kind::disconnected));
  is_dead = false;
  ASSERT_TRUE(events.wait_for(Kind::connected)) << "it pings also while the breaker is open";
}

TEST(Monitor, EndsWithItsClient) {
  const std::size_t before = count_descriptors();
  {
    Events events;
    const Client client = open_client("/nonexistent/docker.sock", events);
    const Client copy = client;
  }
  EXPECT_EQ(count_descriptors(), before);
}

}  // namespace
}  // namespace sockerless
