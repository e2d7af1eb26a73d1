#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::vector<std::string> names_of(const std::vector<api::NetworkInspect>& networks) {
  std::vector<std::string> names;
  for (const auto& network : networks) names.push_back(network.name.value_or(""));
  return names;
}

api::NetworkCreateRequest network_named(std::string name) {
  api::NetworkCreateRequest request;
  request.name = std::move(name);
  return request;
}

TEST_P(BackendConformance, ThePredefinedNetworksAreThereToStay) {
  EXPECT_THAT(names_of(run(networks().list({}))), testing::IsSupersetOf(profile().predefined_networks()));
  EXPECT_EQ(run(networks().inspect({"host"})).driver, "host");
  EXPECT_EQ(error_from([&] { run(networks().remove({profile().predefined_networks().front()})); }).code(), ErrorCode::forbidden);
  EXPECT_THAT(error_from([&] { run(networks().inspect({"nowhere"})); }), FailsWith(ErrorCode::not_found, "network nowhere not found"));
}

TEST_P(BackendConformance, UserNetworksWorkOrSayThatTheyDoNot) {
  if (!profile().has_user_networks()) {
    EXPECT_EQ(error_from([&] { run(networks().create(network_named("mine"))); }).code(), ErrorCode::not_implemented);
    return;
  }
  const std::string id = run(networks().create(network_named("mine"))).id;
  EXPECT_EQ(error_from([&] { run(networks().create(network_named("mine"))); }).code(), ErrorCode::conflict);
  EXPECT_EQ(run(networks().inspect({id.substr(0, 12)})).name, "mine");

  api::ContainerCreateRequest request = profile().runs_forever();
  request.host_config.emplace().network_mode = "mine";
  const std::string container = start(request, "member");
  EXPECT_TRUE(inspect(container).network_settings->networks->contains("mine"));
  EXPECT_THAT(*run(networks().inspect({"mine"})).containers, SizeIs(1));
  EXPECT_EQ(error_from([&] { run(networks().remove({"mine"})); }).code(), ErrorCode::forbidden) << "it has active endpoints";

  run(networks().disconnect({"mine"}, {.container = "member", .force = false, .unknown = {}}));
  EXPECT_THAT(*run(networks().inspect({"mine"})).containers, SizeIs(0));
  run(networks().connect({"mine"}, {.container = "member", .endpoint_config = {}, .unknown = {}}));
  EXPECT_EQ(error_from([&] { run(networks().connect({"mine"}, {.container = "nobody", .endpoint_config = {}, .unknown = {}})); }).code(),
            ErrorCode::not_found);
  force_remove(container);
  run(networks().remove({"mine"}));
  EXPECT_EQ(error_from([&] { run(networks().remove({"mine"})); }).code(), ErrorCode::not_found);
}

TEST_P(BackendConformance, UnusedNetworksArePruned) {
  if (!profile().has_user_networks()) {
    EXPECT_TRUE(run(networks().prune({})).networks_deleted.value_or(std::vector<std::string>{}).empty());
    return;
  }
  run(networks().create(network_named("idle")));
  EXPECT_THAT(*run(networks().prune({})).networks_deleted, ElementsAre("idle"));
  EXPECT_THAT(names_of(run(networks().list({}))), testing::Not(Contains("idle")));
}

api::VolumeCreateRequest volume_named(std::string name) {
  api::VolumeCreateRequest request;
  request.name = std::move(name);
  request.labels = std::map<std::string, std::string>{{"kind", "test"}};
  return request;
}

TEST_P(BackendConformance, AVolumeIsMadeOnceAndRemoved) {
  const api::Volume made = run(volumes().create(volume_named("data")));
  EXPECT_EQ(made.name, "data");
  EXPECT_EQ(made.driver, "local");
  EXPECT_FALSE(made.mountpoint.empty());
  EXPECT_EQ(run(volumes().create(volume_named("data"))).mountpoint, made.mountpoint) << "the same once more";
  EXPECT_EQ(run(volumes().inspect({"data"})).labels->at("kind"), "test");
  EXPECT_THAT(*run(volumes().list({})).volumes, SizeIs(1));
  run(volumes().remove({"data"}, Force::no));
  EXPECT_THAT(error_from([&] { run(volumes().inspect({"data"})); }), FailsWith(ErrorCode::not_found, "data: no such volume"));
  EXPECT_EQ(error_from([&] { run(volumes().remove({"data"}, Force::no)); }).code(), ErrorCode::not_found);
  run(volumes().remove({"data"}, Force::yes));
}

TEST_P(BackendConformance, AVolumeInUseStays) {
  api::ContainerCreateRequest request = profile().prints({});
  request.host_config.emplace().binds = std::vector<std::string>{"kept:/data"};
  const std::string id = create(request);
  EXPECT_EQ(run(volumes().inspect({"kept"})).name, "kept") << "made by the container that names it";
  EXPECT_THAT(error_from([&] { run(volumes().remove({"kept"}, Force::no)); }), FailsWith(ErrorCode::conflict, "volume is in use"));
  force_remove(id);
  run(volumes().remove({"kept"}, Force::no));
}

TEST_P(BackendConformance, AnonymousVolumesGoWithTheirContainerWhenAsked) {
  api::ContainerCreateRequest request = profile().prints({});
  request.volumes.emplace()["/data"] = {};
  const std::string id = create(request);
  EXPECT_THAT(*run(volumes().list({})).volumes, SizeIs(1));
  run(containers().remove({id}, {.force = Force::no, .volumes = RemoveVolumes::yes}));
  EXPECT_THAT(*run(volumes().list({})).volumes, SizeIs(0));
}

TEST_P(BackendConformance, UnusedVolumesArePruned) {
  run(volumes().create({}));
  run(volumes().create(volume_named("named")));
  EXPECT_THAT(*run(volumes().prune({})).volumes_deleted, SizeIs(1)) << "the anonymous one";
  api::Filters all;
  all.add("all", "true");
  EXPECT_THAT(*run(volumes().prune(all)).volumes_deleted, ElementsAre("named"));
}

}  // namespace
}  // namespace sockerless::conformance
