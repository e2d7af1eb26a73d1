// What every version sees of one full answer, against golden files. SOCKERLESS_ACCEPT=1 rewrites them and skips the test.

#include "frontend/version_shape.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/types_json.hpp"
#include "base/error.hpp"

namespace sockerless::frontend {
namespace {

using api::ApiVersion;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int kMinors[] = {24, 25, 26, 27, 28, 30, 34, 35, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

boost::json::value document(const std::string& version) {
  return boost::json::parse(read_file(std::string(SOCKERLESS_SOURCE_DIR) + "/src/api/docker-v" + version + ".json"));
}

/// The shapes of `full` in every version where they differ from those of the version before, a version a line.
template <typename T>
std::string all_shapes(const T& full) {
  std::string out = "{\n";
  std::string last;
  for (const int minor : kMinors) {
    T shaped = full;
    shape(shaped, ApiVersion{1, minor});
    const std::string json = api::to_json(shaped);
    if (json == last) continue;
    if (!last.empty()) out += ",\n";
    out += "\"1." + std::to_string(minor) + "\": " + json;
    last = json;
  }
  return out + "\n}\n";
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(SOCKERLESS_SOURCE_DIR) + "/tests/golden/frontend_" + name + ".json";
  if (std::getenv("SOCKERLESS_ACCEPT") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    GTEST_SKIP() << "wrote " << path;
  }
  EXPECT_EQ(text, read_file(path)) << "if this is meant: SOCKERLESS_ACCEPT=1";
}

/// Every member of the text's objects is one of `definition` in either document, or is known to be older than both.
void expect_documented(const std::string& text, const std::string& definition, const std::set<std::string>& older) {
  std::set<std::string> known = older;
  for (const char* version : {"1.44", "1.56"}) {
    const boost::json::value all = document(version);
    const boost::json::value* found = all.at("definitions").as_object().if_contains(definition);
    if (found == nullptr) continue;
    for (const auto& member : found->at("properties").as_object()) known.insert(std::string(member.key()));
  }
  ASSERT_GT(known.size(), older.size()) << "no such definition: " << definition;
  const boost::json::value shapes = boost::json::parse(text);
  for (const auto& version : shapes.as_object()) {
    for (const auto& member : version.value().as_object()) {
      EXPECT_TRUE(known.contains(std::string(member.key())))
          << definition << "." << std::string_view(member.key()) << " in " << std::string_view(version.key());
    }
  }
}

api::ImageInspect full_image() {
  api::ImageInspect image;
  image.id = "sha256:abc";
  image.descriptor = api::OCIDescriptor{};
  image.repo_tags = {{"busybox:latest"}};
  image.architecture = "amd64";
  image.os = "linux";
  image.size = 4242;
  image.config = api::ImageConfig{};
  image.config->env = {{"PATH=/bin"}};
  image.config->cmd = {{"sh"}};
  return image;
}

api::SystemInfo full_info() {
  api::SystemInfo info;
  info.id = "ID";
  info.containerd_commit = api::Commit{.id = "c1"};
  info.runc_commit = api::Commit{.id = "r1"};
  info.init_commit = api::Commit{.id = "i1"};
  info.registry_config = api::RegistryServiceConfig{};
  info.runtimes = {{"crun", api::Runtime{.path = "crun", .status = std::map<std::string, std::string>{{"a", "b"}}}}};
  info.security_options = {{"name=seccomp,profile=builtin", "name=rootless"}};
  info.firewall_backend = api::FirewallInfo{};
  info.discovered_devices.emplace();
  info.containerd = api::ContainerdInfo{};
  return info;
}

api::ContainerInspectResponse full_container() {
  api::ContainerInspectResponse container;
  container.id = std::string(64, 'a');
  container.state = api::ContainerState{.status = api::ContainerStateStatus("removing")};
  container.config = api::ContainerConfig{};
  container.config->hostname = "host1";
  container.image_manifest_descriptor = api::OCIDescriptor{};
  container.network_settings = api::NetworkSettings{};
  container.network_settings->networks.emplace();
  auto& networks = *container.network_settings->networks;
  networks["bridge"].ip_address = "172.17.0.2";
  networks["bridge"].mac_address = "02:42:ac:11:00:02";
  networks["team"].aliases = {{"web"}};
  return container;
}

TEST(VersionShape, ImageInspect) {
  const std::string text = all_shapes(full_image());
  expect_documented(text, "ImageInspect", {"VirtualSize"});
  expect_golden("image_inspect", text);
}

TEST(VersionShape, ImageSummary) {
  api::ImageSummary image{.id = "sha256:abc", .created = 5, .size = 77, .containers = 3};
  image.descriptor = api::OCIDescriptor{};
  image.manifests.emplace();
  const std::string text = all_shapes(image);
  expect_documented(text, "ImageSummary", {"VirtualSize"});
  expect_golden("image_summary", text);
}

TEST(VersionShape, ContainerSummary) {
  api::ContainerSummary container;
  container.id = "c1";
  container.state = api::ContainerSummaryState("removing");
  container.health = api::ContainerSummaryHealth{};
  container.host_config =
      api::ContainerSummaryHostConfig{.network_mode = "bridge", .annotations = std::map<std::string, std::string>{{"a", "b"}}};
  container.image_manifest_descriptor = api::OCIDescriptor{};
  const std::string text = all_shapes(container);
  expect_documented(text, "ContainerSummary", {});
  expect_golden("container_summary", text);
}

TEST(VersionShape, ContainerInspect) {
  const std::string text = all_shapes(full_container());
  expect_documented(text, "ContainerInspectResponse", {});
  expect_golden("container_inspect", text);
}

TEST(VersionShape, SystemInfo) {
  const std::string text = all_shapes(full_info());
  expect_documented(text, "SystemInfo", {"ExecutionDriver"});
  expect_golden("system_info", text);
}

TEST(VersionShape, SystemVersion) {
  api::SystemVersion version{
      .platform = api::SystemVersionPlatform{.name = "p"}, .version = "1", .api_version = "1.51", .min_api_version = "1.24"};
  version.components = {{api::SystemVersionComponents{.name = "Engine", .version = "1"}}};
  const std::string text = all_shapes(version);
  expect_documented(text, "SystemVersion", {});
  expect_golden("system_version", text);
}

TEST(VersionShape, EventMessage) {
  api::EventMessage event{
      .type = api::EventMessageType("container"), .action = "die", .scope = api::EventMessageScope("local"), .time = 1, .time_nano = 2};
  event.actor = api::EventActor{.id = "c1", .attributes = std::map<std::string, std::string>{{"image", "busybox"}}};
  const std::string text = all_shapes(event);
  expect_documented(text, "EventMessage", {"status", "id", "from"});
  expect_golden("event_message", text);
  shape(event, ApiVersion{1, 52});
  EXPECT_EQ(event.status, std::nullopt);
}

TEST(VersionShape, DiskUsage) {
  api::SystemDataUsageResponse usage;
  usage.images = {{api::ImageSummary{.id = "i", .size = 7, .containers = 2}}};
  usage.build_cache = {{api::BuildCache{.size = 5}, api::BuildCache{.size = 6}}};
  const std::string text = all_shapes(usage);
  EXPECT_THAT(text, HasSubstr("\"BuilderSize\":11"));
  EXPECT_THAT(text, HasSubstr("\"Containers\":2"));
  expect_golden("disk_usage", text);
}

TEST(VersionShape, StatsHaveOnlineCpusFrom127On) {
  api::ContainerStatsResponse stats;
  stats.cpu_stats = api::ContainerCPUStats{.online_cpus = 4};
  api::ContainerStatsResponse old = stats;
  shape(old, ApiVersion{1, 26});
  EXPECT_EQ(old.cpu_stats->online_cpus, std::nullopt);
  shape(stats, ApiVersion{1, 27});
  EXPECT_EQ(stats.cpu_stats->online_cpus, 4U);
}

// --- requests ------------------------------------------------------------------------------------------------------------------------

api::ContainerCreateRequest adjusted(const std::string& json, int minor, std::vector<std::string>* warnings = nullptr) {
  auto request = api::parse_json<api::ContainerCreateRequest>(json);
  std::vector<std::string> said = adjust(request, ApiVersion{1, minor});
  if (warnings != nullptr) *warnings = std::move(said);
  return request;
}

std::string refusal_of(const std::string& json, int minor) {
  try {
    adjusted(json, minor);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

TEST(VersionAdjust, DefaultIsTheNetworkNamedBridge) {
  EXPECT_EQ(adjusted("{}", 51).host_config->network_mode, "bridge");
  const auto request =
      adjusted(R"({"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":["a"]}}}})", 51);
  EXPECT_EQ(request.host_config->network_mode, "bridge");
  EXPECT_TRUE(request.networking_config->endpoints_config->contains("bridge"));
  EXPECT_EQ(adjusted(R"({"HostConfig":{"NetworkMode":"host"}})", 51).host_config->network_mode, "host");
}

TEST(VersionAdjust, WhatIsNewerThanTheVersionIsIgnored) {
  const std::string json =
      R"({"Healthcheck":{"StartInterval":5},"HostConfig":{"AutoRemove":true,"Annotations":{"a":"b"},"ConsoleSize":[1,2],"PidsLimit":-1}})";
  EXPECT_EQ(adjusted(json, 24).host_config->auto_remove, false);
  EXPECT_EQ(adjusted(json, 25).host_config->auto_remove, true);
  EXPECT_EQ(adjusted(json, 39).host_config->ipc_mode, "shareable");
  EXPECT_EQ(adjusted(json, 40).host_config->ipc_mode, std::nullopt);
  EXPECT_EQ(adjusted(json, 41).host_config->console_size, std::nullopt);
  EXPECT_TRUE(adjusted(json, 42).host_config->console_size.has_value());
  EXPECT_EQ(adjusted(json, 42).host_config->annotations, std::nullopt);
  EXPECT_TRUE(adjusted(json, 43).host_config->annotations.has_value());
  EXPECT_EQ(adjusted(json, 43).healthcheck->start_interval, std::nullopt);
  EXPECT_EQ(adjusted(json, 44).healthcheck->start_interval, 5);
  EXPECT_EQ(adjusted(json, 51).host_config->pids_limit, std::nullopt);
}

TEST(VersionAdjust, OptionsOfAnotherMountTypeAreDroppedBefore142AndRefusedLater) {
  const std::string json = R"({"HostConfig":{"Mounts":[{"Type":"bind","VolumeOptions":{}}]}})";
  EXPECT_EQ(adjusted(json, 41).host_config->mounts->front().volume_options, std::nullopt);
  EXPECT_EQ(refusal_of(json, 42), "VolumeOptions must not be specified on mount type \"bind\"");
}

TEST(VersionAdjust, NewerMountsAreRefusedInDockersWords) {
  const std::string subpath = R"({"HostConfig":{"Mounts":[{"Type":"volume","VolumeOptions":{"Subpath":"x"}}]}})";
  EXPECT_EQ(refusal_of(subpath, 44), "VolumeOptions.Subpath needs API v1.45 or newer");
  EXPECT_EQ(refusal_of(subpath, 45), "accepted");
  const std::string image = R"({"HostConfig":{"Mounts":[{"Type":"image"}]}})";
  EXPECT_EQ(refusal_of(image, 47), "Mount type \"Image\" needs API v1.48 or newer");
  EXPECT_EQ(refusal_of(image, 48), "accepted");
}

TEST(VersionAdjust, ReadOnlyBindsAreShallowBefore144) {
  const std::string json = R"({"HostConfig":{"Mounts":[{"Type":"bind","ReadOnly":true}]}})";
  EXPECT_EQ(adjusted(json, 43).host_config->mounts->front().bind_options->read_only_non_recursive, true);
  EXPECT_EQ(adjusted(json, 44).host_config->mounts->front().bind_options, std::nullopt);
}

TEST(VersionAdjust, SeveralNetworksNeed144) {
  const std::string json = R"({"NetworkingConfig":{"EndpointsConfig":{"a":{},"b":{}}}})";
  EXPECT_EQ(refusal_of(json, 43), "Container cannot be created with multiple network endpoints: a, b");
  EXPECT_EQ(refusal_of(json, 44), "accepted");
}

TEST(VersionAdjust, TheContainersMacAddressMovesToItsEndpoint) {
  const std::string json = R"({"MacAddress":"02:00:00:00:00:01","HostConfig":{"NetworkMode":"team"}})";
  std::vector<std::string> warnings;
  EXPECT_EQ(adjusted(json, 43, &warnings).networking_config->endpoints_config->at("team").mac_address, "02:00:00:00:00:01");
  EXPECT_THAT(warnings, ElementsAre());
  EXPECT_EQ(adjusted(json, 44, &warnings).networking_config->endpoints_config->at("team").mac_address, "02:00:00:00:00:01");
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("now deprecated")));
  EXPECT_THAT(refusal_of(R"({"MacAddress":"02:00:00:00:00:01","HostConfig":{"NetworkMode":"team"},)"
                         R"("NetworkingConfig":{"EndpointsConfig":{"team":{"MacAddress":"02:00:00:00:00:02"}}}})",
                         44),
              HasSubstr("must match the endpoint-specific MAC address"));
  EXPECT_THAT(refusal_of(R"({"MacAddress":"02:00:00:00:00:01","HostConfig":{"NetworkMode":"host"}})", 43),
              HasSubstr("conflicting options"));
}

TEST(VersionAdjust, InterfaceSysctlsMoveToTheEndpointUpTo146) {
  const std::string json = R"({"HostConfig":{"Sysctls":{"net.ipv4.conf.eth0.forwarding":"1","net.core.somaxconn":"9"}}})";
  std::vector<std::string> warnings;
  const auto request = adjusted(json, 46, &warnings);
  EXPECT_EQ(request.networking_config->endpoints_config->at("bridge").driver_opts->at("com.docker.network.endpoint.sysctls"),
            "net.ipv4.conf.IFNAME.forwarding=1");
  EXPECT_EQ(request.host_config->sysctls->size(), 1U);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("Migrated sysctl")));
  EXPECT_THAT(refusal_of(json, 47), HasSubstr("must be supplied using driver option"));
}

}  // namespace
}  // namespace sockerless::frontend
