// The client library and a real dockerd that is ill treated: never there, stopped, killed, restarted, frozen, its socket removed, made
// again or forbidden. Whatever happens: no call hangs, nothing is left open, the error says what it is, and the next call works when it
// can.

#include <csignal>
#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sockerless/manager.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/dockerd.hpp"

namespace sockerless::clients {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using Type = DockerErrorType;

std::size_t count_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

DockerConfig config_of(const std::string& socket) {
  DockerConfig config;
  config.socket_path = socket;
  config.timeout = 20s;
  config.retry_attempts = 0;
  config.breaker_delay = 10ms;
  config.max_breaker_delay = 10ms;
  config.health_check_interval = 0ms;
  return config;
}

/// One dockerd for each test; nothing that the client opened is left when the client has gone.
class SdkFaults : public testing::Test {
 protected:
  void TearDown() override {
    client_.reset();
    EXPECT_LE(count_descriptors(), before_) << "descriptors were left open";
  }

  template <typename T>
  DockerError error_of(const Result<T>& result) {
    EXPECT_FALSE(result) << "it succeeded";
    return result ? DockerError{} : result.error();
  }

  /// Until the breaker lets a call through that succeeds: the daemon is back.
  void expect_recovery() {
    const auto give_up = Clock::now() + 20s;
    while (!client_->system_info() && Clock::now() < give_up) std::this_thread::yield();
    const auto info = client_->system_info();
    EXPECT_TRUE(info) << info.error();
    EXPECT_TRUE(client_->connection_state().is_connected);
    EXPECT_EQ(client_->pool().in_use, 0U);
  }

  support::Dockerd dockerd_;
  std::size_t before_ = count_descriptors();
  std::optional<Client> client_ = *Client::open(config_of(dockerd_.socket()));
};

TEST_F(SdkFaults, ADaemonThatWasNeverThere) {
  client_ = *Client::open(config_of(dockerd_.socket() + ".none"));
  for (int i = 0; i < 10; ++i) {
    const DockerError error = error_of(client_->system_info());
    EXPECT_EQ(error.type, Type::connection) << error;
    EXPECT_THAT(error.message, HasSubstr(dockerd_.socket() + ".none"));
    EXPECT_TRUE(error.recoverable);
  }
  EXPECT_EQ(client_->pool().in_use, 0U);
  EXPECT_EQ(client_->pool().idle, 0U);
}

TEST_F(SdkFaults, StoppedAndStartedAgain) {
  ASSERT_TRUE(client_->system_info());
  EXPECT_EQ(dockerd_.stop(), 0);
  EXPECT_EQ(error_of(client_->system_info()).type, Type::connection);
  EXPECT_FALSE(client_->connection_state().is_connected);
  dockerd_.start();
  expect_recovery();
}

TEST_F(SdkFaults, KilledUnderAStreamAndStartedAgain) {
  {
    auto events = client_->system_events();
    ASSERT_TRUE(events) << events.error();
    dockerd_.kill();
    const DockerError broken = error_of(events->next());
    EXPECT_EQ(broken.type, Type::connection) << "a stream that broke is no clean end: " << broken;
  }
  EXPECT_EQ(client_->pool().streams, 0U) << "its connection goes with it";
  // The socket file is still there and nobody listens.
  const DockerError refused = error_of(client_->system_info());
  EXPECT_EQ(refused.type, Type::connection);
  EXPECT_EQ(refused.code, ECONNREFUSED) << refused;
  dockerd_.start();
  expect_recovery();
}

TEST_F(SdkFaults, UpdatesGoOnAfterARestart) {
  const DockerManager manager(*client_);
  auto updates = manager.watch();
  ASSERT_TRUE(updates) << updates.error();
  dockerd_.kill();
  auto waiting = std::async(std::launch::async, [&] { return updates->next(); });
  dockerd_.start();
  const auto update = waiting.get();
  ASSERT_TRUE(update && *update) << update.error();
  EXPECT_EQ((*update)->kind, ContainerUpdate::Kind::reconnected);
}

TEST_F(SdkFaults, Frozen) {
  ASSERT_TRUE(client_->system_info());
  dockerd_.freeze();
  const auto start = Clock::now();
  const DockerError call = error_of(client_->system_info({.timeout = 200ms}));
  const DockerError stream = error_of(client_->system_events({}, {.timeout = 200ms}));
  const DockerError post = error_of(client_->volume_create({.name = "v"}, {.timeout = 200ms}));
  const auto took = Clock::now() - start;
  dockerd_.thaw();
  for (const DockerError& error : {call, stream, post}) {
    EXPECT_EQ(error.type, Type::timeout) << error;
    EXPECT_TRUE(error.recoverable);
  }
  EXPECT_LT(took, 10s);
  expect_recovery();
}

TEST_F(SdkFaults, FrozenUnderAnUploadWithoutATimeOfItsOwn) {
  DockerConfig config = config_of(dockerd_.socket());
  config.answer_timeout = 300ms;
  client_ = *Client::open(config);
  ASSERT_TRUE(client_->api_version());
  dockerd_.freeze();
  auto load = client_->image_load({}, body_of(std::string(8UL * 1024 * 1024, 'x')));
  const Result<void> end = load ? load->finish() : Result<void>(load.error());
  dockerd_.thaw();
  EXPECT_EQ(error_of(end).type, Type::timeout);
  expect_recovery();
}

TEST_F(SdkFaults, TheSocketRemovedAndMadeAgain) {
  ASSERT_TRUE(client_->system_info());
  const std::string moved = dockerd_.socket() + ".moved";
  client_ = *Client::open(config_of(dockerd_.socket()));  // without a connection from before
  std::filesystem::rename(dockerd_.socket(), moved);
  const DockerError error = error_of(client_->system_info());
  EXPECT_EQ(error.type, Type::connection);
  EXPECT_EQ(error.code, ENOENT) << error;
  std::filesystem::rename(moved, dockerd_.socket());
  expect_recovery();
}

/// What a process of nobody's sees; its words come back by a pipe, in the end its own pool and descriptors.
std::string as_nobody(const std::string& socket) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string told = "cannot become nobody";
    if (::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0) {
      const Client client = *Client::open(config_of(socket));
      const auto info = client.system_info();
      told = info ? std::string("it was let in") : info.error().text();
      told += client.pool().in_use == 0 ? "" : " and a connection is left";
    }
    std::ignore = ::write(ends[1], told.data(), told.size());  // the parent sees what is missing
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string told(4096, '\0');
  const ssize_t count = ::read(ends[0], told.data(), told.size());
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  told.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return told;
}

TEST_F(SdkFaults, TheSocketForbidden) {
  ASSERT_EQ(::geteuid(), 0U) << "becoming another user needs root";
  const std::filesystem::path folder = std::filesystem::path(dockerd_.socket()).parent_path();
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  EXPECT_THAT(as_nobody(dockerd_.socket()), AllOf(HasSubstr("permission (13)"), HasSubstr(dockerd_.socket()), HasSubstr("group"),
                                                  testing::Not(HasSubstr("chmod 666")), testing::Not(HasSubstr("connection is left"))));
  expect_recovery();
}

TEST_F(SdkFaults, ARefusalOfTheRealDaemonKeepsItsWords) {
  const DockerError missing = error_of(client_->container_inspect("none"));
  EXPECT_EQ(missing.type, Type::not_found);
  EXPECT_EQ(missing.message, "No such container: none");
  const DockerManager manager(*client_);
  const DockerError absent = error_of(manager.start_container({.name = "x", .image = "none-such"}, {.pull = StartOptions::Pull::never}));
  EXPECT_EQ(absent.type, Type::not_found) << absent;
  auto import = client_->image_create({.from_src = "-", .repo = "busybox", .tag = "latest"}, body_of(support::busybox_rootfs()));
  ASSERT_TRUE(import) << import.error();
  ASSERT_TRUE(import->finish());
  // What docker itself fills in is no difference; what is asked for and absent is one.
  ContainerSpec spec{.name = "box", .image = "busybox", .command = {"sleep", "1"}, .environment = {{"A", "1"}}, .labels = {{"l", "1"}}};
  const auto created = client_->container_create(
      {{.env = {{"A=1", "B=2"}}, .cmd = {{"sleep", "1"}}, .image = "busybox", .labels = {{{"l", "1"}}}}}, {.name = "box"});
  ASSERT_TRUE(created) << created.error();
  const auto taken = manager.start_container(spec);
  EXPECT_TRUE(taken || taken.error().type != Type::conflict) << "this machine may not let containers run: " << taken.error();
  spec.volumes = {"data:/data"};
  EXPECT_THAT(error_of(manager.start_container(spec)).message, HasSubstr("HostConfig.Binds"));
  EXPECT_TRUE(manager.remove("box", {.force = true}));
}

}  // namespace
}  // namespace sockerless::clients
