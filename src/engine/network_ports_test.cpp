#include "engine/network_ports.hpp"

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

WorkloadSpec publishing(char digit, const std::string& port, std::string address, std::string host_port) {
  WorkloadSpec spec = fakes::make_spec(digit, std::string("box-") + digit);
  api::PortBinding binding;
  binding.host_ip = std::move(address);
  binding.host_port = std::move(host_port);
  spec.host_config.port_bindings.emplace()[port] = std::vector<api::PortBinding>{binding};
  return spec;
}

TEST(PortAllocator, BindsWhatIsAskedForOnEveryAddress) {
  PortAllocator ports;
  const PublishedPorts got = ports.take(publishing('a', "80/tcp", "", "8080"));
  const auto& bound = *got.map.at("80/tcp");
  ASSERT_EQ(bound.size(), 2);
  EXPECT_EQ(bound[0].host_ip, "0.0.0.0");
  EXPECT_EQ(bound[0].host_port, "8080");
  EXPECT_EQ(bound[1].host_ip, "::");
  EXPECT_EQ(got.ports.at(0).public_port, 8080);
  EXPECT_EQ(got.ports.at(0).private_port, 80);
}

TEST(PortAllocator, APortIsTakenOnce) {
  PortAllocator ports;
  ports.take(publishing('a', "80", "127.0.0.1", "8080"));
  ports.take(publishing('b', "80/tcp", "127.0.0.2", "8080"));
  ports.take(publishing('c', "80/udp", "", "8080"));
  for (const char* address : {"127.0.0.1", "", "0.0.0.0"}) {
    try {
      ports.take(publishing('d', "80/tcp", address, "8080"));
      ADD_FAILURE() << "bound twice on " << address;
    } catch (const Error& error) {
      EXPECT_TRUE(error.message().ends_with(":8080 failed: port is already allocated")) << error.message();
    }
  }
  ports.give_back(ContainerId::parse(std::string(64, 'a')));
  ports.give_back(ContainerId::parse(std::string(64, 'b')));
  ports.take(publishing('d', "80/tcp", "", "8080"));
}

TEST(PortAllocator, AFailureTakesNothing) {
  PortAllocator ports;
  ports.take(publishing('a', "81/tcp", "", "81"));
  WorkloadSpec spec = publishing('b', "80/tcp", "", "80");
  (*spec.host_config.port_bindings)["81/tcp"] = (*publishing('b', "81/tcp", "", "81").host_config.port_bindings)["81/tcp"];
  EXPECT_THROW(ports.take(spec), Error);
  ports.take(publishing('c', "80/tcp", "", "80"));
}

TEST(PortAllocator, RangesAndOpenPortsGetWhatIsFree) {
  PortAllocator ports;
  EXPECT_EQ(ports.take(publishing('a', "80/tcp", "", "9000-9001")).ports[0].public_port, 9000);
  EXPECT_EQ(ports.take(publishing('b', "80/tcp", "", "9000-9001")).ports[0].public_port, 9001);
  EXPECT_THROW(ports.take(publishing('c', "80/tcp", "", "9000-9001")), Error);
  const auto first = ports.take(publishing('d', "80/tcp", "", "")).ports[0].public_port;
  const auto second = ports.take(publishing('e', "80/tcp", "", "0")).ports[0].public_port;
  EXPECT_GE(*first, 32768);
  EXPECT_NE(first, second);
  for (const char* bad : {"x", "70000", "2-1", "-1"}) EXPECT_THROW(ports.take(publishing('f', "80/tcp", "", bad)), Error) << bad;
}

TEST(PortAllocator, ExposedPortsAreShownAndPublishAllBindsThem) {
  PortAllocator ports;
  WorkloadSpec spec = fakes::make_spec('a', "box");
  spec.config.exposed_ports.emplace()["53/udp"];
  const PublishedPorts closed = ports.take(spec);
  EXPECT_FALSE(closed.map.at("53/udp").has_value());
  EXPECT_FALSE(closed.ports.at(0).public_port.has_value());
  spec.host_config.publish_all_ports = true;
  EXPECT_TRUE(ports.take(spec).ports.at(0).public_port.has_value());
}

TEST(PortAllocator, WhatARestoredContainerHasIsTaken) {
  PortAllocator before;
  const WorkloadSpec spec = publishing('a', "80/tcp", "", "8080");
  const PublishedPorts published = before.take(spec);
  PortAllocator after;
  after.retake(spec.id, published.ports);
  EXPECT_THROW(after.take(publishing('b', "80/tcp", "", "8080")), Error);
  after.give_back(spec.id);
  after.take(publishing('b', "80/tcp", "", "8080"));
}

}  // namespace
}  // namespace sockerless
