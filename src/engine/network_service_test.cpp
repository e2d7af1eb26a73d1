#include "engine/network_service.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

struct NetworkServiceTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeNetworks driver;
  EventBus events{system_clock()};
  std::unique_ptr<NetworkService> service = make();

  std::unique_ptr<NetworkService> make() {
    auto made = std::make_unique<NetworkService>(driver, *store, events, table, system_clock(), system_random());
    run(made->restore());
    return made;
  }
  std::string create(std::string name, std::optional<std::string> subnet = {}) {
    api::NetworkCreateRequest request;
    request.name = std::move(name);
    if (subnet) {
      api::IPAMConfig config;
      config.subnet = *subnet;
      request.ipam.emplace().config = std::vector<api::IPAMConfig>{config};
    }
    return run(service->create(std::move(request))).id;
  }
  ContainerPtr add(char digit, std::string mode, std::map<std::string, api::EndpointSettings> endpoints = {}) {
    WorkloadSpec spec = fakes::make_spec(digit, std::string("box-") + digit);
    spec.network_mode = std::move(mode);
    const auto container = fakes::add_container(table, spec);
    container->set_networks(service->plan(spec, endpoints));
    return container;
  }
  void start(const ContainerPtr& container) {
    container->set_networks(run(service->join(container)));
    fakes::start(container);
  }
  void stop(const ContainerPtr& container) {
    fakes::end(container);
    LeftNetworks left = run(service->leave(container, *container->networks()));
    container->set_networks(std::move(left.at_rest));
    service->publish_left(container->id(), left.left);
  }
};

template <typename T>
void expect_failure(Task<T> task, ErrorCode code, const std::string& message) {
  try {
    run(std::move(task));
    ADD_FAILURE() << "did not fail: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_EQ(error.message(), message);
  }
}

std::vector<std::string> names(const std::vector<api::NetworkInspect>& networks) {
  std::vector<std::string> all;
  for (const auto& network : networks) all.push_back(*network.name);
  return all;
}

api::Filters filter(std::string_view key, std::string_view value) {
  api::Filters filters;
  filters.add(key, value);
  return filters;
}

TEST_F(NetworkServiceTest, ThePredefinedNetworksAreThereAndKeepTheirIds) {
  EXPECT_EQ(names(run(service->list({}))), (std::vector<std::string>{"bridge", "host", "none"}));
  const auto bridge = run(service->inspect({"bridge"}));
  EXPECT_EQ(bridge.ipam->config->at(0).subnet, "172.17.0.0/16");
  EXPECT_EQ(bridge.ipam->config->at(0).gateway, "172.17.0.1");
  EXPECT_EQ(run(service->inspect({"none"})).driver, "null");
  const auto id = bridge.id;
  service = make();
  EXPECT_EQ(run(service->inspect({"bridge"})).id, id);
  EXPECT_EQ(run(service->inspect({id->substr(0, 12)})).name, "bridge");
  expect_failure(service->remove({"host"}), ErrorCode::forbidden, "host is a pre-defined network and cannot be removed");
}

TEST_F(NetworkServiceTest, UserNetworksAreCheckedMadeAndFoundAgain) {
  expect_failure(service->create({}), ErrorCode::invalid_argument, "invalid network name: name is empty");
  api::NetworkCreateRequest host;
  host.name = "host";
  expect_failure(service->create(host), ErrorCode::forbidden, "operation is not permitted on predefined host network ");
  const std::string id = create("web");
  api::NetworkCreateRequest again;
  again.name = "web";
  expect_failure(service->create(again), ErrorCode::conflict, "network with name web already exists");
  EXPECT_EQ(run(service->inspect({"web"})).ipam->config->at(0).subnet, "172.18.0.0/16");
  create("own", "10.9.0.0/24");
  EXPECT_EQ(run(service->inspect({"own"})).ipam->config->at(0).gateway, "10.9.0.1");
  api::NetworkCreateRequest overlapping;
  overlapping.name = "over";
  overlapping.ipam = run(service->inspect({"own"})).ipam;
  expect_failure(service->create(overlapping), ErrorCode::forbidden,
                 "invalid pool request: Pool overlaps with other one on this address space");
  service = make();
  EXPECT_EQ(run(service->inspect({"web"})).id, id);
  run(service->remove({"web"}));
  expect_failure(service->inspect({"web"}), ErrorCode::not_found, "network web not found");
  EXPECT_EQ(run(fakes::past_events(events)), (std::vector<std::string>{"network create", "network create", "network destroy"}));
}

TEST_F(NetworkServiceTest, ASubnetThatAnotherProgramWasQuickerToTakeIsChosenAgain) {
  driver.foreign_subnets = {"172.18.0.0/16", "172.19.0.0/16"};
  create("web");
  EXPECT_EQ(run(service->inspect({"web"})).ipam->config->at(0).subnet, "172.20.0.0/16");
  api::NetworkCreateRequest own;
  own.name = "own";
  own.ipam.emplace().config.emplace().emplace_back().subnet = "172.19.0.0/16";
  expect_failure(service->create(own), ErrorCode::forbidden, "Pool overlaps with other one on this address space");
}

TEST_F(NetworkServiceTest, ABridgeWithoutAddressesGetsThemFromADriverThatHasNetworks) {
  driver.user_networks = false;
  store = make_memory_store();
  service = make();
  EXPECT_FALSE(run(service->inspect({"bridge"})).ipam->config.has_value());
  driver.user_networks = true;
  for (int start = 0; start < 2; ++start) {
    service = make();
    EXPECT_EQ(names(run(service->list({}))), (std::vector<std::string>{"bridge", "host", "none"}));
    EXPECT_EQ(run(service->inspect({"bridge"})).ipam->config->at(0).subnet, "172.17.0.0/16");
  }
}

TEST_F(NetworkServiceTest, AnIpv6NetworkGetsASubnetOfItsOwn) {
  api::NetworkCreateRequest request;
  request.name = "six";
  request.enable_ipv6 = true;
  run(service->create(request));
  const auto config = *run(service->inspect({"six"})).ipam->config;
  ASSERT_EQ(config.size(), 2);
  EXPECT_TRUE(config[1].subnet->starts_with("fd") && config[1].subnet->ends_with("::/64")) << *config[1].subnet;
}

TEST_F(NetworkServiceTest, ADriverWithoutNetworksSaysSoAndGivesNoAddresses) {
  driver.user_networks = false;
  store = make_memory_store();
  service = make();
  api::NetworkCreateRequest request;
  request.name = "web";
  EXPECT_THROW(run(service->create(request)), Error);
  const auto box = add('a', "bridge");
  start(box);
  const auto endpoint = box->networks()->endpoints.at("bridge");
  EXPECT_FALSE(endpoint.ip_address.has_value());
  EXPECT_FALSE(endpoint.endpoint_id.value_or("").empty());
  EXPECT_TRUE(driver.joined.read([](const auto& joined) { return joined.empty(); }));
}

TEST_F(NetworkServiceTest, ARunningContainerHasAnAddressAndAStoppedOneNone) {
  create("web");
  api::EndpointSettings endpoint;
  endpoint.aliases = std::vector<std::string>{"db"};
  const auto box = add('a', "web", {{"web", endpoint}});
  EXPECT_FALSE(box->networks()->endpoints.at("web").ip_address);
  start(box);
  const auto joined = box->networks()->endpoints.at("web");
  EXPECT_EQ(joined.ip_address, "172.18.0.2");
  EXPECT_EQ(joined.ip_prefix_len, 16);
  EXPECT_EQ(joined.gateway, "172.18.0.1");
  EXPECT_EQ(joined.mac_address, "02:42:ac:12:00:02");
  EXPECT_EQ(joined.dns_names, (std::vector<std::string>{"box-a", "db", "aaaaaaaaaaaa"}));
  const auto members = *run(service->inspect({"web"})).containers;
  EXPECT_EQ(members.at(box->id().str()).ipv4_address, "172.18.0.2/16");
  expect_failure(service->remove({"web"}), ErrorCode::forbidden,
                 "error while removing network: network web has active endpoints (name:\"box-a\" id:\"aaaaaaaaaaaa\")");
  const auto other = add('b', "web");
  start(other);
  EXPECT_EQ(other->networks()->endpoints.at("web").ip_address, "172.18.0.3");
  stop(box);
  EXPECT_FALSE(box->networks()->endpoints.at("web").ip_address);
  EXPECT_FALSE(box->networks()->endpoints.at("web").mac_address);
  EXPECT_EQ(box->networks()->endpoints.at("web").aliases, std::vector<std::string>{"db"});
  start(box);
  EXPECT_EQ(box->networks()->endpoints.at("web").ip_address, "172.18.0.2");
}

TEST_F(NetworkServiceTest, WhatTheClientChoseStays) {
  create("web", "10.9.0.0/24");
  api::EndpointSettings endpoint;
  endpoint.ipam_config.emplace().ipv4_address = "10.9.0.77";
  endpoint.mac_address = "02:00:00:00:00:01";
  const auto box = add('a', "web", {{"web", endpoint}});
  start(box);
  EXPECT_EQ(box->networks()->endpoints.at("web").ip_address, "10.9.0.77");
  stop(box);
  EXPECT_EQ(box->networks()->endpoints.at("web").mac_address, "02:00:00:00:00:01");
  EXPECT_EQ(box->networks()->endpoints.at("web").ipam_config->ipv4_address, "10.9.0.77");
}

TEST_F(NetworkServiceTest, ContradictionsAreRefusedAtCreate) {
  const WorkloadSpec on_host = [] {
    WorkloadSpec spec = fakes::make_spec('a', "box");
    spec.network_mode = "host";
    return spec;
  }();
  EXPECT_THROW(service->plan(on_host, {{"bridge", {}}}), Error);
  api::EndpointSettings fixed;
  fixed.ipam_config.emplace().ipv4_address = "1.2.3.4";
  EXPECT_THROW(service->plan(fakes::make_spec('a', "box"), {{"bridge", fixed}}), Error);
  api::EndpointSettings bad;
  bad.mac_address = "nonsense";
  EXPECT_THROW(service->plan(fakes::make_spec('a', "box"), {{"bridge", bad}}), Error);
}

TEST_F(NetworkServiceTest, AStartThatFailsHoldsNothing) {
  create("web");
  const auto lost = add('a', "missing", {{"web", {}}});
  expect_failure(service->join(lost), ErrorCode::not_found, "failed to set up container networking: network missing not found");
  driver.connect_failure = Error::internal("no");
  const auto refused = add('b', "web");
  EXPECT_THROW(run(service->join(refused)), Error);
  driver.connect_failure.reset();
  EXPECT_TRUE(run(service->inspect({"web"})).containers->empty());
  EXPECT_TRUE(driver.joined.read([](const auto& joined) { return joined.empty(); }));
  start(refused);
  EXPECT_EQ(refused->networks()->endpoints.at("web").ip_address, "172.18.0.2");
}

TEST_F(NetworkServiceTest, ConnectAndDisconnectWorkRunningAndStopped) {
  create("web");
  const auto box = add('a', "bridge");
  api::NetworkConnectRequest connect;
  connect.container = "box-a";
  run(service->connect({"web"}, connect));
  EXPECT_FALSE(box->networks()->endpoints.at("web").ip_address);
  expect_failure(service->connect({"web"}, connect), ErrorCode::forbidden, "endpoint with name box-a already exists in network web");
  api::NetworkDisconnectRequest disconnect;
  disconnect.container = "box-a";
  run(service->disconnect({"web"}, disconnect));
  expect_failure(service->disconnect({"web"}, disconnect), ErrorCode::forbidden,
                 "container " + box->id().str() + " is not connected to the network web");
  start(box);
  run(service->connect({"web"}, connect));
  EXPECT_EQ(box->networks()->endpoints.at("web").ip_address, "172.18.0.2");
  run(service->disconnect({"web"}, disconnect));
  EXPECT_FALSE(box->networks()->endpoints.contains("web"));
  EXPECT_TRUE(run(service->inspect({"web"})).containers->empty());
  expect_failure(service->connect({"none"}, connect), ErrorCode::invalid_argument,
                 "container cannot be connected to multiple networks with one of the networks in private (none) mode");
  connect.container = "nobody";
  expect_failure(service->connect({"web"}, connect), ErrorCode::not_found, "No such container: nobody");
}

TEST_F(NetworkServiceTest, ARestartOfTheDaemonKeepsTheAddressesOfWhatRuns) {
  const auto box = add('a', "bridge");
  start(box);
  service = make();
  const auto other = add('b', "bridge");
  start(other);
  EXPECT_EQ(other->networks()->endpoints.at("bridge").ip_address, "172.17.0.3");
  stop(box);
  EXPECT_EQ(run(service->inspect({"bridge"})).containers->size(), 1);
}

TEST_F(NetworkServiceTest, FiltersAndPrune) {
  create("web");
  create("db");
  EXPECT_EQ(names(run(service->list(filter("name", "we")))), std::vector<std::string>{"web"});
  EXPECT_EQ(names(run(service->list(filter("type", "custom")))), (std::vector<std::string>{"db", "web"}));
  EXPECT_EQ(names(run(service->list(filter("driver", "null")))), std::vector<std::string>{"none"});
  expect_failure(service->list(filter("type", "x")), ErrorCode::invalid_argument, "invalid filter: 'type'='x'");
  EXPECT_THROW(run(service->list(filter("nonsense", "x"))), Error);
  start(add('a', "web"));
  EXPECT_EQ(names(run(service->list(filter("dangling", "true")))), std::vector<std::string>{"db"});
  EXPECT_EQ(run(service->prune({})).networks_deleted, std::vector<std::string>{"db"});
  EXPECT_FALSE(run(service->prune({})).networks_deleted);
}

TEST_F(NetworkServiceTest, ManyContainersJoinAtOnceAndNoAddressIsGivenTwice) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  std::vector<std::vector<ContainerPtr>> boxes(kThreads);
  for (int i = 0; i < kThreads * kEach; ++i) {
    WorkloadSpec spec = fakes::make_spec('a', fmt::format("box-{}", i));
    spec.id = ContainerId::parse(fmt::format("{:064x}", i));
    const auto container = fakes::add_container(table, spec);
    container->set_networks(service->plan(spec, {}));
    boxes[static_cast<std::size_t>(i % kThreads)].push_back(container);
  }
  std::vector<std::jthread> threads;
  for (auto& mine : boxes) {
    threads.emplace_back([&] {
      for (const auto& box : mine) {
        start(box);
        stop(box);
        start(box);
      }
    });
  }
  threads.clear();
  std::set<std::string> addresses;
  for (const auto& mine : boxes) {
    for (const auto& box : mine) addresses.insert(box->networks()->endpoints.at("bridge").ip_address.value_or(""));
  }
  EXPECT_EQ(addresses.size(), kThreads * kEach);
}

}  // namespace
}  // namespace sockerless
