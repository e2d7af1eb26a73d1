// Networks as a user of the docker command line meets them: containers that reach each other, published ports, names.

#include <chrono>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.hpp"
#include "tests/clients/fixture.hpp"
#include "tests/support/child_process.hpp"

namespace sockerless::clients {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* kServer =
    "mkdir -p /www && echo \"hello from $(hostname)\" > /www/index.html && httpd -p 80 -h /www && echo ready && sleep 1000";

/// Everything of one kind on this host that belongs to some sockerless daemon.
std::vector<std::string> lines_with(const std::string& text, const std::string& word) {
  std::vector<std::string> lines;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    if (line.contains(word)) lines.push_back(line);
  }
  return lines;
}

/// Connects from this host. @return the error, 0 when somebody listens.
int try_connect(std::uint16_t port) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

class DockerNetwork : public ClientTest {
 protected:
  std::string run_server(const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> arguments{"run", "-d", "--name", name};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.insert(arguments.end(), {"busybox", "sh", "-c", kServer});
    const std::string id = get(arguments);
    EXPECT_TRUE(docker().start({"logs", "-f", name})->read_until("ready"));
    return id;
  }
  std::string sleeper(const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> arguments{"run", "-d", "--name", name};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.insert(arguments.end(), {"busybox", "sleep", "1000"});
    return get(arguments);
  }
  /// The beginning of addresses that are this command line's tests' own: they may run at the same time as the other's.
  static std::string ours(std::string_view family) {
    const bool is_first = GetParam().docker == kDebianDocker;
    if (family == "10") return is_first ? "10.213." : "10.214.";
    return is_first ? "fd5c:aa" : "fd5c:ab";
  }
  bool reaches(const std::string& from, const std::string& to) {
    return run({"exec", from, "ping", "-c", "1", "-W", "1", to}).exit_code == 0;
  }
  std::string address_of(const std::string& container, const std::string& network) {
    return inspect(container, "{{(index .NetworkSettings.Networks \"" + network + "\").IPAddress}}");
  }
  /// The port of this host that leads to the container's.
  std::uint16_t public_port(const std::string& container) {
    const std::string line = get({"port", container, "80/tcp"});
    return static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1)));
  }
};
INSTANTIATE_TEST_SUITE_P(Clients, DockerNetwork, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerNetwork);

TEST_P(DockerNetwork, ContainersOnTheDefaultBridgeReachEachOtherAndTheHost) {
  sleeper("one", {});
  sleeper("two", {});
  EXPECT_TRUE(reaches("one", address_of("two", "bridge")));
  EXPECT_TRUE(reaches("one", inspect("one", "{{.NetworkSettings.Gateway}}")));
  EXPECT_EQ(get({"exec", "one", "cat", "/sys/class/net/eth0/address"}), inspect("one", "{{.NetworkSettings.MacAddress}}"));
  EXPECT_THAT(get({"exec", "one", "cat", "/etc/hosts"}),
              HasSubstr(address_of("one", "bridge") + "\t" + inspect("one", "{{.Config.Hostname}}")));
  EXPECT_FALSE(reaches("one", "two")) << "the default bridge has no names, as Docker's";
}

TEST_P(DockerNetwork, APublishedPortRefusesUntilTheContainerListens) {
  get({"run", "-d", "--name", "late", "-p", "80", "busybox", "sh", "-c",
       "while ! [ -e /go ]; do sleep 0.05; done; mkdir /www; echo hi > /www/index.html; httpd -p 80 -h /www; echo ready; sleep 1000"});
  const std::uint16_t port = public_port("late");
  EXPECT_EQ(try_connect(port), ECONNREFUSED);
  get({"exec", "late", "touch", "/go"});
  ASSERT_TRUE(docker().start({"logs", "-f", "late"})->read_until("ready"));
  EXPECT_EQ(try_connect(port), 0);
  // By the host's own address on the bridge, from the outside, from a neighbour and from itself.
  const std::string url = "http://" + inspect("late", "{{.NetworkSettings.Gateway}}") + ":" + std::to_string(port) + "/";
  EXPECT_EQ(get({"run", "--rm", "busybox", "wget", "-q", "-O-", url}), "hi");
  EXPECT_EQ(get({"exec", "late", "wget", "-q", "-O-", url}), "hi");
  EXPECT_THAT(get({"ps", "--format", "{{.Ports}}"}), HasSubstr("0.0.0.0:" + std::to_string(port) + "->80/tcp"));
  get({"rm", "-f", "late"});
  EXPECT_EQ(try_connect(port), ECONNREFUSED);
}

TEST_P(DockerNetwork, APortIsTakenOnce) {
  run_server("first", {"-p", "127.0.0.1::80"});
  const std::uint16_t port = public_port("first");
  const Output refused = run({"run", "--rm", "-p", std::to_string(port) + ":80", "busybox", "true"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_THAT(refused.err, HasSubstr(":" + std::to_string(port) + " failed: port is already allocated"));
  // Another program can have it neither, and what another program has is refused.
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  EXPECT_NE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  address.sin_port = 0;
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(socket.get(), 1), 0);
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const std::string taken = std::to_string(ntohs(address.sin_port));
  const Output foreign = run({"run", "--rm", "-p", "127.0.0.1:" + taken + ":80", "busybox", "true"});
  EXPECT_EQ(foreign.exit_code, 125);
  EXPECT_THAT(foreign.err, HasSubstr("listen tcp4 127.0.0.1:" + taken + ": bind: address already in use"));
}

TEST_P(DockerNetwork, AUserNetworkHasNamesAliasesAndGivenAddresses) {
  const std::string net = ours("10") + "7.";
  get({"network", "create", "--subnet", net + "0/24", "--gateway", net + "254", "--ip-range", net + "128/25", "net"});
  sleeper("one", {"--network", "net", "--ip", net + "20", "--mac-address", "02:00:00:00:00:77", "--network-alias", "web"});
  sleeper("two", {"--network", "net"});
  EXPECT_THAT(address_of("two", "net"), StartsWith(net + "12")) << "of the range";
  for (const std::string& name : {std::string("one"), std::string("web"), net + "20"}) EXPECT_TRUE(reaches("two", name)) << name;
  EXPECT_TRUE(reaches("one", "two"));
  EXPECT_EQ(get({"exec", "one", "cat", "/sys/class/net/eth0/address"}), "02:00:00:00:00:77");
  EXPECT_THAT(get({"exec", "two", "cat", "/etc/resolv.conf"}), HasSubstr("nameserver " + net + "254"));
  const Output busy = run({"run", "--rm", "--network", "net", "--ip", net + "20", "busybox", "true"});
  EXPECT_THAT(busy.err, HasSubstr("Address already in use"));
  EXPECT_THAT(run({"network", "rm", "net"}).err, HasSubstr("has active endpoints"));
}

TEST_P(DockerNetwork, NetworksAreKeptApart) {
  get({"network", "create", "red"});
  get({"network", "create", "--internal", "blue"});
  sleeper("one", {"--network", "red"});
  sleeper("two", {"--network", "blue"});
  sleeper("three", {"--network", "blue"});
  EXPECT_FALSE(reaches("one", address_of("two", "blue")));
  EXPECT_FALSE(reaches("two", address_of("one", "red")));
  EXPECT_TRUE(reaches("two", "three"));
  EXPECT_THAT(get({"exec", "two", "ip", "route"}), Not(HasSubstr("default")));
}

TEST_P(DockerNetwork, AnInternalNetworkAnswersItsOwnNamesOnly) {
  get({"network", "create", "--internal", "blue"});
  sleeper("one", {"--network", "blue", "--dns", "192.0.2.53"});
  sleeper("two", {"--network", "blue"});
  for (const char* from : {"one", "two"}) {
    EXPECT_NE(run({"exec", from, "timeout", "2", "nslookup", "outside.example"}).exit_code, 0) << from;
    EXPECT_TRUE(reaches(from, from == std::string("one") ? "two" : "one")) << "names inside are told, also after one outside";
  }
}

TEST_P(DockerNetwork, ANetworkWithoutIccKeepsItsContainersApart) {
  get({"network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "apart"});
  sleeper("one", {"--network", "apart"});
  sleeper("two", {"--network", "apart"});
  EXPECT_FALSE(reaches("one", address_of("two", "apart")));
  EXPECT_TRUE(reaches("one", inspect("one", "{{(index .NetworkSettings.Networks \"apart\").Gateway}}")));
}

TEST_P(DockerNetwork, ARunningContainerIsConnectedAndDisconnected) {
  get({"network", "create", "red"});
  get({"network", "create", "blue"});
  sleeper("one", {"--network", "red"});
  sleeper("two", {"--network", "blue"});
  EXPECT_FALSE(reaches("one", "two"));
  get({"network", "connect", "--alias", "guest", "blue", "one"});
  EXPECT_TRUE(reaches("one", "two")) << "the names of both networks are told";
  EXPECT_TRUE(reaches("two", "guest"));
  EXPECT_THAT(get({"exec", "one", "cat", "/etc/hosts"}), HasSubstr(address_of("one", "blue") + "\t"));
  get({"network", "disconnect", "red", "one"});
  EXPECT_TRUE(reaches("one", "two"));
  EXPECT_THAT(get({"exec", "one", "ip", "route"}), HasSubstr("default")) << "the other network took the default route over";
  get({"network", "disconnect", "blue", "one"});
  EXPECT_THAT(get({"exec", "one", "ls", "/sys/class/net"}), Not(HasSubstr("eth")));
}

TEST_P(DockerNetwork, ExtraHostsLinksAndNameServersAreInTheFiles) {
  sleeper("target", {});
  const std::string hosts = get({"run", "--rm", "--link", "target:db", "--add-host", "some:10.0.0.9", "--add-host", "here:host-gateway",
                                 "busybox", "cat", "/etc/hosts"});
  EXPECT_THAT(hosts, HasSubstr("10.0.0.9\tsome\n"));
  EXPECT_THAT(hosts, HasSubstr(inspect("target", "{{.NetworkSettings.Gateway}}") + "\there\n"));
  EXPECT_THAT(hosts, HasSubstr(address_of("target", "bridge") + "\tdb "));
  EXPECT_EQ(
      get({"run", "--rm", "--dns", "9.9.9.9", "--dns-search", "example.org", "--dns-opt", "ndots:2", "busybox", "cat", "/etc/resolv.conf"}),
      "nameserver 9.9.9.9\nsearch example.org\noptions ndots:2");
  get({"stop", "-t", "0", "target"});
  EXPECT_THAT(run({"run", "--rm", "--link", "target:db", "busybox", "true"}).err, HasSubstr("Cannot link to a non running container"));
}

TEST_P(DockerNetwork, SharedHostAndNoNetwork) {
  run_server("one", {});
  EXPECT_THAT(get({"run", "--rm", "--network", "container:one", "busybox", "wget", "-q", "-O-", "http://127.0.0.1/"}),
              StartsWith("hello from"));
  EXPECT_EQ(get({"run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"}), "lo");
  EXPECT_THAT(get({"run", "--rm", "--network", "host", "busybox", "ls", "/sys/class/net"}), HasSubstr("br-"));
}

TEST_P(DockerNetwork, IPv6NetworksCarryIPv6) {
  get({"network", "create", "--ipv6", "--subnet", ours("fd5c") + "::/64", "six"});
  sleeper("one", {"--network", "six"});
  sleeper("two", {"--network", "six", "--ip6", ours("fd5c") + "::99"});
  EXPECT_EQ(run({"exec", "one", "ping", "-6", "-c", "1", "-W", "2", ours("fd5c") + "::99"}).exit_code, 0);
  EXPECT_THAT(get({"exec", "one", "ip", "-6", "route"}), HasSubstr("default via " + ours("fd5c") + "::1"));
}

TEST_P(DockerNetwork, WhatMakesNoSenseIsRefused) {
  const auto refused = [&](std::vector<std::string> arguments) {
    const Output output = run(arguments);
    EXPECT_NE(output.exit_code, 0) << testing::PrintToString(arguments);
    return output.err;
  };
  get({"network", "create", "--subnet", ours("10") + "8.0/24", "net"});
  EXPECT_THAT(refused({"network", "create", "--subnet", ours("10") + "8.0/25", "other"}),
              HasSubstr("Pool overlaps with other one on this address space"));
  EXPECT_THAT(refused({"network", "create", "--subnet", "127.0.0.0/8", "other"}), HasSubstr("Pool overlaps"));
  EXPECT_THAT(refused({"network", "create", "--subnet", ours("10") + "9.7/24", "other"}),
              HasSubstr("it should be " + ours("10") + "9.0/24"));
  EXPECT_THAT(refused({"network", "create", "--subnet", ours("10") + "9.0/24", "--gateway", "10.1.1.1", "other"}), HasSubstr("gateway"));
  EXPECT_THAT(refused({"network", "create", "-o", "com.docker.network.bridge.name=a b", "other"}), HasSubstr("invalid bridge name"));
  EXPECT_THAT(refused({"network", "create", "-o", "com.docker.network.bridge.name=lo", "other"}), HasSubstr("belongs to another program"));
  EXPECT_THAT(refused({"network", "create", "--subnet", ours("10") + "9.0/24", "--gateway", ours("10") + "9.0", "other"}),
              HasSubstr("failed to allocate gateway (" + ours("10") + "9.0): Address already in use"));
  EXPECT_THAT(refused({"run", "--rm", "-p", "70000:80", "busybox", "true"}), HasSubstr("70000"));
  EXPECT_THAT(get({"network", "ls", "--format", "{{.Name}}"}), Not(HasSubstr("other")));
}

TEST_P(DockerNetwork, RulesThatAnotherProgramRemovedComeBack) {
  run_server("one", {"-p", "80"});
  const std::uint16_t port = public_port("one");
  ASSERT_EQ(try_connect(port), 0);
  const std::string bridge = get({"network", "inspect", "bridge", "--format", "{{.Id}}"}).substr(0, 12);
  std::string table;
  for (const auto& line : lines_with(support::run_command({"nft", "list", "tables"}).out, "inet sockerless_")) {
    const std::string name = line.substr(line.rfind(' ') + 1);
    if (support::run_command({"nft", "list", "table", "inet", name}).out.contains("br-" + bridge)) table = name;
  }
  ASSERT_THAT(table, Not(IsEmpty()));
  ASSERT_EQ(support::run_command({"nft", "delete", "table", "inet", table}).exit_code, 0);
  const auto give_up = std::chrono::steady_clock::now() + 10s;
  while (try_connect(port) != 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_EQ(try_connect(port), 0);
}

}  // namespace
}  // namespace sockerless::clients
