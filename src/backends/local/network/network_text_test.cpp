// What is written for nftables, aardvark-dns and /etc/hosts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/network/firewall.hpp"
#include "backends/local/network/hosts_file.hpp"
#include "backends/local/network/name_server.hpp"
#include "backends/local/network/network_plan.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

FirewallPlan plan_of(FilteredNetwork network) {
  FirewallPlan plan;
  plan.networks.emplace("one", std::move(network));
  return plan;
}

TEST(FirewallText, ATableReplacesItselfInOneTransaction) {
  EXPECT_THAT(make_ruleset("mine", 7, {}), StartsWith("table inet mine\ndelete table inet mine\ntable inet mine {\n"));
}

TEST(FirewallText, ANetworkIsMasqueradedAndKeptApart) {
  const std::string text = make_ruleset("mine", 7, plan_of({.bridge = "br-1", .subnets = {"10.1.0.0/16", "fd01::/64"}}));
  EXPECT_THAT(text, HasSubstr("ip saddr 10.1.0.0/16 oifname != \"br-1\" masquerade\n"));
  EXPECT_THAT(text, HasSubstr("ip6 saddr fd01::/64 oifname != \"br-1\" masquerade\n"));
  EXPECT_THAT(text, HasSubstr("iifname \"br-1\" oifname \"br-1\" accept\n"));
  EXPECT_LT(text.find("iifname \"br-1\" oifname \"br-1\" accept"), text.find("oifgroup 7 drop")) << "before what closes the networks";
}

TEST(FirewallText, AnInternalNetworkLeadsNowhere) {
  const std::string text = make_ruleset("mine", 7, plan_of({.bridge = "br-1", .subnets = {"10.1.0.0/16"}, .internal = true}));
  EXPECT_THAT(text, Not(HasSubstr("oifname != \"br-1\" masquerade")));
  EXPECT_THAT(text, HasSubstr("    iifname \"br-1\" drop\n    oifname \"br-1\" drop\n"));
  EXPECT_THAT(text, HasSubstr("iifname \"br-1\" ip6 saddr fe80::/10 meta l4proto { tcp, udp } th dport 53 drop\n"))
      << "names are not asked under another address";
}

TEST(FirewallText, OptionsSwitchMasqueradingAndTalkingToEachOtherOff) {
  const std::string text =
      make_ruleset("mine", 7, plan_of({.bridge = "br-1", .subnets = {"10.1.0.0/16"}, .masquerade = false, .icc = false}));
  EXPECT_THAT(text, Not(HasSubstr("oifname != \"br-1\" masquerade")));
  EXPECT_THAT(text, Not(HasSubstr("iifname \"br-1\" oifname \"br-1\""))) << "nothing is let through";
}

TEST(FirewallText, PortsGoIntoTheMapOfTheirAddress) {
  const std::vector<Forwarding> ports{{"tcp", "0.0.0.0", 8080, "10.1.0.2", 80},
                                      {"udp", "127.0.0.1", 53, "10.1.0.2", 5353},
                                      {"sctp", "::", 9, "fd01::2", 9},
                                      {"tcp", "fd00::1", 81, "fd01::2", 80}};
  EXPECT_EQ(make_forwarding_commands("mine", "add", ports),
            "add element inet mine published4_any { tcp . 8080 : 10.1.0.2 . 80 }\n"
            "add element inet mine published4 { 127.0.0.1 . udp . 53 : 10.1.0.2 . 5353 }\n"
            "add element inet mine published6_any { sctp . 9 : fd01::2 . 9 }\n"
            "add element inet mine published6 { fd00::1 . tcp . 81 : fd01::2 . 80 }\n");
}

TEST(NamesFile, HasTheListenersAndALineAnEndpoint) {
  EXPECT_EQ(
      make_names_file({.listen = {"10.1.0.1", "fd01::1"},
                       .endpoints = {{"aaa", "10.1.0.2", "", {"web", "alias"}}, {"bbb", "10.1.0.3", "fd01::3", {"db"}, {"9.9.9.9"}}}}),
      "10.1.0.1,fd01::1\naaa 10.1.0.2  web,alias\nbbb 10.1.0.3 fd01::3 db 9.9.9.9\n");
}

TEST(NamesFile, LeavesOutWhatWouldBecomeOtherFields) {
  EXPECT_EQ(make_names_file({.listen = {"10.1.0.1"}, .endpoints = {{"aaa", "10.1.0.2", "", {"a b", "c,d", "e\nf", "good"}}}}),
            "10.1.0.1\naaa 10.1.0.2  good\n");
  EXPECT_EQ(make_names_file({.listen = {"10.1.0.1"}, .endpoints = {{"aaa", "10.1.0.2", "", {""}}}}), "10.1.0.1\n");
}

TEST(HostsFile, LinesComeAndGoByAddress) {
  const std::string text = add_hosts_line("127.0.0.1\tlocalhost", "10.1.0.2", {"web.example", "web"});
  EXPECT_EQ(text, "127.0.0.1\tlocalhost\n10.1.0.2\tweb.example web\n");
  EXPECT_EQ(add_hosts_line(text, "", {"web"}), text);
  EXPECT_EQ(remove_hosts_lines(text + "10.1.0.22\tother\n", "10.1.0.2"), "127.0.0.1\tlocalhost\n10.1.0.22\tother\n");
}

TEST(HostsFile, TheContainersOwnNamesAreTheLongOneFirst) {
  EXPECT_THAT(own_names("web", ""), ElementsAre("web"));
  EXPECT_THAT(own_names("web", "example.org"), ElementsAre("web.example.org", "web"));
  EXPECT_THAT(own_names("web.example.org", ""), ElementsAre("web.example.org", "web"));
}

NetworkSpec network_with(std::map<std::string, std::string> options) {
  NetworkSpec network{NetworkId::parse(std::string(64, 'a')), "one", {}};
  network.request.options = std::move(options);
  auto& config = network.request.ipam.emplace().config.emplace().emplace_back();
  config.subnet = "10.1.0.0/16";
  config.gateway = "10.1.0.1";
  return network;
}

TEST(NetworkPlan, TakesDockersOptions) {
  EXPECT_EQ(plan_bridge(network_with({}), 7).name, "br-aaaaaaaaaaaa");
  EXPECT_THAT(gateway_addresses(network_with({})), ElementsAre("10.1.0.1/16"));
  const NetworkSpec network = network_with({{"com.docker.network.bridge.name", "mine0"},
                                            {"com.docker.network.bridge.enable_icc", "false"},
                                            {"com.docker.network.bridge.enable_ip_masquerade", "false"},
                                            {"com.docker.network.driver.mtu", "1400"}});
  EXPECT_EQ(plan_bridge(network, 7).name, "mine0");
  EXPECT_EQ(plan_bridge(network, 7).mtu, 1400);
  EXPECT_FALSE(plan_filter(network).icc);
  EXPECT_FALSE(plan_filter(network).masquerade);
}

TEST(NetworkPlan, RefusesNamesThatWouldBecomeRules) {
  for (const char* name : {"a\" accept; #", "longer-than-fifteen", "..", "a/b", "a b"}) {
    EXPECT_THROW(bridge_name(network_with({{"com.docker.network.bridge.name", name}})), Error) << name;
  }
  EXPECT_THROW(mtu_of(network_with({{"com.docker.network.driver.mtu", "12x"}})), Error);
}

}  // namespace
}  // namespace sockerless::local
