// The network of a container outlives the daemon, and nothing of it outlives the container, whoever is killed.

#include <chrono>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string start_sleeper(HttpProbe& api, const std::string& network, const std::string& name) {
  const std::string body = R"({"Image":"busybox:latest","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":")" + network + R"("}})";
  const auto answer = boost::json::parse(api.must("POST", "/containers/create?name=" + name, body));
  std::string id(answer.at("Id").as_string());
  api.must("POST", "/containers/" + id + "/start");
  return id;
}

std::string address_of(HttpProbe& api, const std::string& id, const std::string& network) {
  const auto container = boost::json::parse(api.must("GET", "/containers/" + id + "/json"));
  return std::string(container.at("NetworkSettings").at("Networks").at(network).at("IPAddress").as_string());
}

bool answers(const std::string& address) { return run_command({"busybox", "ping", "-c", "1", "-W", "1", address}).exit_code == 0; }

/// What of the network is on the host: interfaces that are ports of the bridge, and the bridge.
std::string interfaces_of(const std::string& network_id) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
    const std::string name = entry.path().filename();
    std::error_code error;
    const auto master = std::filesystem::read_symlink(entry.path() / "master", error).filename().string();
    const std::string bridge = "br-" + network_id.substr(0, 12);
    if (name == bridge || master == bridge) found += name + " ";
  }
  return found;
}

std::string id_of_network(HttpProbe& api, const std::string& name) {
  return std::string(boost::json::parse(api.must("GET", "/networks/" + name)).at("Id").as_string());
}

TEST(KilledNetwork, AContainerKeepsItsNetworkWhileTheDaemonIsDeadAndAfterwards) {
  Daemon daemon("local");
  daemon.import_busybox();
  daemon.api().must("POST", "/networks/create", R"({"Name":"net"})");
  const std::string id = start_sleeper(daemon.api(), "net", "one");
  const std::string address = address_of(daemon.api(), id, "net");
  ASSERT_TRUE(answers(address));
  daemon.kill();
  EXPECT_TRUE(answers(address));
  daemon.start();
  EXPECT_TRUE(answers(address));
  EXPECT_EQ(address_of(daemon.api(), id, "net"), address);
  EXPECT_NE(address_of(daemon.api(), start_sleeper(daemon.api(), "net", "two"), "net"), address) << "it is still taken";
}

/// The kernel removes a namespace's interfaces a moment after the namespace.
void expect_soon_unplugged(const std::string& network) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (interfaces_of(network).contains("veth") && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_THAT(interfaces_of(network), Not(HasSubstr("veth")));
}

TEST(KilledNetwork, NothingIsLeftOfAContainerThatEndedWhileTheDaemonWasDead) {
  Daemon daemon("local");
  daemon.import_busybox();
  daemon.api().must("POST", "/networks/create", R"({"Name":"net"})");
  const std::string network = id_of_network(daemon.api(), "net");
  const std::string id = start_sleeper(daemon.api(), "net", "one");
  EXPECT_THAT(interfaces_of(network), HasSubstr("veth"));
  const auto pid = boost::json::parse(daemon.api().must("GET", "/containers/" + id + "/json")).at("State").at("Pid").as_int64();
  daemon.kill();
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGKILL), 0);
  daemon.start();
  expect_soon_unplugged(network);
  daemon.api().must("DELETE", "/containers/" + id);
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_EQ(interfaces_of(network), "") << "without containers a daemon takes its networks with it";
  daemon.start();
  EXPECT_EQ(id_of_network(daemon.api(), "net"), network);
  EXPECT_THAT(interfaces_of(network), HasSubstr("br-")) << "and the next one makes them again";
  daemon.api().must("DELETE", "/networks/net");
  EXPECT_EQ(interfaces_of(network), "");
}

TEST(KilledNetwork, InterfacesThatNobodyKnowsAreRemoved) {
  Daemon daemon("local");
  daemon.import_busybox();
  daemon.api().must("POST", "/networks/create", R"({"Name":"net"})");
  const std::string network = id_of_network(daemon.api(), "net");
  ASSERT_THAT(interfaces_of(network), HasSubstr("br-"));
  daemon.kill();
  std::filesystem::remove(daemon.state() / "state.db");
  std::filesystem::remove(daemon.state() / "state.db-wal");
  std::filesystem::remove(daemon.state() / "state.db-shm");
  daemon.start();
  EXPECT_EQ(interfaces_of(network), "");
}

}  // namespace
}  // namespace sockerless::support
