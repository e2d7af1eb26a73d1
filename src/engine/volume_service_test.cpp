#include "engine/volume_service.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

struct VolumeServiceTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeVolumes driver;
  EventBus events{system_clock()};
  std::unique_ptr<VolumeService> service = make();

  std::unique_ptr<VolumeService> make() {
    auto made = std::make_unique<VolumeService>(driver, *store, events, table, system_clock(), system_random());
    run(made->restore());
    return made;
  }
  static api::VolumeCreateRequest named(std::string name) {
    api::VolumeCreateRequest request;
    request.name = std::move(name);
    return request;
  }
  ContainerPtr user_of(char digit, const std::string& volume) {
    WorkloadSpec spec = fakes::make_spec(digit, std::string("box-") + digit);
    MountSpec mount;
    mount.kind = MountSpec::Kind::volume;
    mount.volume_name = volume;
    mount.destination = "/data";
    spec.mounts = {mount};
    return fakes::add_container(table, std::move(spec));
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

TEST_F(VolumeServiceTest, CreateIsIdempotentAndSurvivesARestart) {
  auto request = VolumeServiceTest::named("data");
  request.labels = std::map<std::string, std::string>{{"a", "b"}};
  const auto volume = run(service->create(request));
  EXPECT_EQ(volume.mountpoint, "/volumes/data");
  EXPECT_EQ(volume.driver, "local");
  EXPECT_EQ(run(service->create(named("data"))), volume);
  service = make();
  EXPECT_EQ(run(service->inspect({"data"})), volume);
  EXPECT_EQ(run(fakes::past_events(events)), std::vector<std::string>{"volume create"});
}

TEST_F(VolumeServiceTest, AVolumeWithoutANameIsAnonymous) {
  const auto volume = run(service->create({}));
  EXPECT_TRUE(is_hex64(volume.name));
  EXPECT_TRUE(volume.labels->contains("com.docker.volume.anonymous"));
}

TEST_F(VolumeServiceTest, WhatCannotBeMadeSaysWhy) {
  EXPECT_THROW(run(service->create(named("../etc"))), Error);
  auto foreign = named("data");
  foreign.driver = "nfs";
  expect_failure(service->create(foreign), ErrorCode::not_found, "error looking up volume plugin nfs: plugin \"nfs\" not found");
  expect_failure(service->inspect({"nope"}), ErrorCode::not_found, "get nope: no such volume");
  expect_failure(service->remove({"nope"}, Force::no), ErrorCode::not_found, "get nope: no such volume");
  run(service->remove({"nope"}, Force::yes));
}

TEST_F(VolumeServiceTest, AVolumeInUseStays) {
  run(service->create(named("data")));
  const auto box = user_of('a', "data");
  expect_failure(service->remove({"data"}, Force::yes), ErrorCode::conflict, "remove data: volume is in use - [" + box->id().str() + "]");
  table.erase(box);
  auto acquired = run(service->acquire(named("data")));
  EXPECT_FALSE(acquired.created);
  EXPECT_THROW(run(service->remove({"data"}, Force::no)), Error) << "a container is being made with it";
  acquired.hold.reset();
  run(service->remove({"data"}, Force::no));
  EXPECT_TRUE(driver.existing.read([](const auto& names) { return names.empty(); }));
  service = make();
  expect_failure(service->inspect({"data"}), ErrorCode::not_found, "get data: no such volume");
}

TEST_F(VolumeServiceTest, TheAnonymousVolumesOfAContainerGoUnlessAnotherUsesThem) {
  const std::string mine = run(service->acquire({})).name;
  const std::string shared = run(service->acquire({})).name;
  user_of('b', shared);
  run(service->remove_anonymous({mine, shared, "gone already"}));
  EXPECT_EQ(run(service->list({})).volumes->size(), 1);
}

TEST_F(VolumeServiceTest, FiltersAndPrune) {
  auto labelled = named("labelled");
  labelled.labels = std::map<std::string, std::string>{{"team", "a"}};
  run(service->create(labelled));
  run(service->create(named("used")));
  const std::string anonymous = run(service->create({})).name;
  user_of('a', "used");
  const auto listed = [&](std::string_view key, std::string_view value) {
    api::Filters filters;
    filters.add(key, value);
    std::vector<std::string> names;
    for (const auto& volume : *run(service->list(filters)).volumes) names.push_back(volume.name);
    return names;
  };
  EXPECT_EQ(listed("label", "team=a"), std::vector<std::string>{"labelled"});
  EXPECT_EQ(listed("dangling", "false"), std::vector<std::string>{"used"});
  EXPECT_EQ(listed("name", "use"), std::vector<std::string>{"used"});
  EXPECT_EQ(listed("driver", "nfs"), std::vector<std::string>{});
  EXPECT_THROW(listed("nonsense", "x"), Error);
  const auto pruned = run(service->prune({}));
  EXPECT_EQ(pruned.volumes_deleted, std::vector<std::string>{anonymous});
  EXPECT_EQ(pruned.space_reclaimed, 10);
  api::Filters all;
  all.add("all", "true");
  EXPECT_EQ(run(service->prune(all)).volumes_deleted, std::vector<std::string>{"labelled"});
}

TEST_F(VolumeServiceTest, UsageCountsContainers) {
  run(service->create(named("data")));
  user_of('a', "data");
  const auto usage = run(service->usage());
  EXPECT_EQ(usage.at(0).usage_data->size, 10);
  EXPECT_EQ(usage.at(0).usage_data->ref_count, 1);
}

TEST_F(VolumeServiceTest, ManyThreadsMakeAndRemoveTheSameVolume) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto acquired = run(service->acquire(named("data")));
        EXPECT_TRUE(driver.existing.read([](const auto& names) { return names.contains("data"); }));
        EXPECT_THROW(run(service->remove({"data"}, Force::no)), Error);
      }
    });
  }
  threads.clear();
  run(service->remove({"data"}, Force::no));
}

}  // namespace
}  // namespace sockerless
