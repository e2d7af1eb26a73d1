#include "engine/ipam.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

api::IPAMConfig subnet(std::string text, std::string range = {}, std::string gateway = {}) {
  api::IPAMConfig config;
  config.subnet = std::move(text);
  if (!range.empty()) config.ip_range = std::move(range);
  if (!gateway.empty()) config.gateway = std::move(gateway);
  return config;
}

TEST(IpAddress, IsReadAndWrittenInBothFamilies) {
  EXPECT_EQ(IpAddress::find("172.17.0.2")->str(), "172.17.0.2");
  EXPECT_EQ(IpAddress::find("fd00:0::1")->str(), "fd00::1");
  EXPECT_EQ(IpAddress::find("10.0.0.255")->plus(1).str(), "10.0.1.0");
  for (const char* bad : {"", "1.2.3", "1.2.3.256", "x", "1.2.3.4/8", ":::"}) EXPECT_FALSE(IpAddress::find(bad)) << bad;
}

TEST(Subnet, KnowsItsBounds) {
  const auto net = Subnet::find("10.1.2.3/16");
  EXPECT_EQ(net->str(), "10.1.0.0/16");
  EXPECT_EQ(net->last().str(), "10.1.255.255");
  EXPECT_TRUE(net->overlaps(*Subnet::find("10.1.128.0/24")));
  EXPECT_TRUE(Subnet::find("10.0.0.0/8")->overlaps(*net));
  EXPECT_FALSE(net->overlaps(*Subnet::find("10.2.0.0/16")));
  EXPECT_FALSE(net->overlaps(*Subnet::find("::/0")));
  EXPECT_TRUE(Subnet::find("::/0")->contains(*IpAddress::find("ffff::1")));
  for (const char* bad : {"", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "fd00::/129"}) {
    EXPECT_FALSE(Subnet::find(bad)) << bad;
  }
}

TEST(Ipam, SaysWhatIsWrongAllAtOnce) {
  EXPECT_EQ(check_ipam({subnet("10.0.0.0/8", "10.1.0.0/16", "10.0.0.1"), subnet("fd00::/64")}), "");
  auto aux = subnet("10.0.0.0/8");
  aux.auxiliary_addresses = std::map<std::string, std::string>{{"router", "11.0.0.1"}};
  EXPECT_EQ(check_ipam({subnet("nonsense"), subnet("10.0.0.1/8"), subnet("10.0.0.0/8", "11.0.0.0/16"), subnet("10.0.0.0/16", "10.0.0.0/8"),
                        subnet("10.0.0.0/8", {}, "fd00::1"), aux}),
            "invalid network config:"
            "\ninvalid subnet nonsense: invalid CIDR block notation"
            "\ninvalid subnet 10.0.0.1/8: it should be 10.0.0.0/8"
            "\ninvalid ip-range 11.0.0.0/16: parent subnet 10.0.0.0/8 doesn't contain ip-range"
            "\ninvalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.0.0.0/16"
            "\ninvalid gateway fd00::1: parent subnet is an IPv4 block"
            "\ninvalid auxiliary address router: parent subnet 10.0.0.0/8 doesn't contain this address");
}

TEST(Ipam, TheDefaultPoolsAreDockers) {
  std::vector<Subnet> used;
  std::vector<std::string> chosen;
  for (int i = 0; i < 31; ++i) {
    used.push_back(choose_subnet(used));
    chosen.push_back(used.back().str());
  }
  EXPECT_EQ(chosen.front(), "172.17.0.0/16");
  EXPECT_EQ(chosen[14], "172.31.0.0/16");
  EXPECT_EQ(chosen[15], "192.168.0.0/20");
  EXPECT_EQ(chosen[30], "192.168.240.0/20");
  EXPECT_THROW(choose_subnet(used), Error);
}

TEST(AddressPools, GiveTheLowestFreeAddress) {
  AddressPools pools({subnet("10.0.0.0/29")});
  EXPECT_EQ(pools.gateway_of(*Subnet::find("10.0.0.0/29")), "10.0.0.1");
  EXPECT_EQ(pools.take(false).address, "10.0.0.2");
  EXPECT_EQ(pools.take(false).address, "10.0.0.3");
  pools.give_back("10.0.0.2");
  EXPECT_EQ(pools.take(*IpAddress::find("10.0.0.4")).gateway, "10.0.0.1");
  EXPECT_EQ(pools.take(false).address, "10.0.0.2");
  EXPECT_EQ(pools.take(false).address, "10.0.0.5");
  EXPECT_EQ(pools.take(false).address, "10.0.0.6");
  EXPECT_THROW(pools.take(false), Error) << "gave out the broadcast address";
  EXPECT_THROW(pools.take(true), Error) << "has no IPv6";
  EXPECT_THROW(pools.take(*IpAddress::find("10.0.0.6")), Error) << "is taken";
  EXPECT_THROW(pools.take(*IpAddress::find("10.0.1.1")), Error) << "is outside";
}

TEST(AddressPools, StayInTheRangeAndClearOfWhatIsReserved) {
  auto config = subnet("10.0.0.0/16", "10.0.5.0/30", "10.0.5.1");
  config.auxiliary_addresses = std::map<std::string, std::string>{{"a", "10.0.5.0"}};
  AddressPools pools({config, subnet("fd00::/64")});
  const auto first = pools.take(false);
  EXPECT_EQ(first.address, "10.0.5.2");
  EXPECT_EQ(first.prefix, 16);
  EXPECT_EQ(pools.take(false).address, "10.0.5.3");
  EXPECT_THROW(pools.take(false), Error);
  EXPECT_EQ(pools.take(true).address, "fd00::2");
}

}  // namespace
}  // namespace sockerless
