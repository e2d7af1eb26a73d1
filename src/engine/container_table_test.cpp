#include "engine/container_table.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/container_documents.hpp"
#include "engine/container_view.hpp"
#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

struct ContainerTableTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};

  ContainerPtr add(std::string id, std::string name, std::map<std::string, std::string> labels = {}) {
    WorkloadSpec spec = fakes::make_spec('0', std::move(name));
    id.resize(64, '0');
    spec.id = ContainerId::parse(id);
    spec.config.labels = std::move(labels);
    return fakes::add_container(table, std::move(spec));
  }
};

TEST_F(ContainerTableTest, AContainerIsFoundByIdNameAndUniquePrefix) {
  const auto one = add("ab1", "one");
  const auto two = add("ab2", "two");
  EXPECT_EQ(table.get(one->id().str()), one);
  EXPECT_EQ(table.get("/two"), two);
  EXPECT_EQ(table.get("two"), two);
  EXPECT_EQ(table.get("ab2"), two);
  try {
    table.get("ab");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "multiple IDs found with provided prefix: ab");
  }
  for (const std::string nobody : {"", "x", "ab3"}) {
    try {
      table.get(nobody);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_found);
      EXPECT_EQ(error.message(), "No such container: " + nobody);
    }
    EXPECT_EQ(table.find(nobody), nullptr);
  }
}

TEST_F(ContainerTableTest, ANameWinsOverAPrefix) {
  const auto named = add("ff", "abc");
  add("abc", "other");
  EXPECT_EQ(table.get("abc"), named);
}

TEST_F(ContainerTableTest, ATakenNameIsAConflictInDockersWords) {
  const auto one = add("ab1", "one");
  try {
    table.reserve_name("one", ContainerId::parse(std::string(64, 'f')));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.message(), "Conflict. The container name \"/one\" is already in use by container \"" + one->id().str() +
                                   "\". You have to remove (or rename) that container to be able to reuse that name.");
  }
  table.erase(one);
  { const auto given_back = table.reserve_name("one", one->id()); }
  EXPECT_NO_THROW(add("ab1", "one"));
}

TEST_F(ContainerTableTest, ARenameFreesTheOldName) {
  const auto one = add("ab1", "one");
  table.rename(one, table.reserve_name("uno", one->id()));
  EXPECT_EQ(table.get("uno"), one);
  EXPECT_EQ(table.find("one"), nullptr);
  EXPECT_EQ(one->definition()->summary.names->front(), "/uno");
  EXPECT_NO_THROW(add("cd", "one"));
}

TEST_F(ContainerTableTest, LabelsAreAnIndexNewestFirst) {
  const auto one = add("a1", "one", {{"app", "web"}, {"tier", "1"}});
  const auto two = add("a2", "two", {{"app", "web"}});
  add("a3", "three", {{"app", "db"}});
  EXPECT_EQ(table.with_labels({"app=web"}), (std::vector{two, one}));
  EXPECT_EQ(table.with_labels({"app"}).size(), 3U);
  EXPECT_EQ(table.with_labels({"app=web", "tier"}), std::vector{one});
  EXPECT_TRUE(table.with_labels({"app=nothing"}).empty());
  table.erase(two);
  EXPECT_EQ(table.with_labels({"app=web"}), std::vector{one});
}

TEST_F(ContainerTableTest, EverythingComesBackFromTheStore) {
  const auto record = add("ab", "kept", {{"k", "v"}});
  auto definition = std::make_shared<ContainerDefinition>(*record->definition());
  definition->spec.mounts.push_back({.kind = MountSpec::Kind::volume,
                                     .source = "/v",
                                     .destination = "/d",
                                     .volume_name = "vol",
                                     .read_only = true,
                                     .propagation = {},
                                     .tmpfs_options = {},
                                     .create_source = false,
                                     .copy_from_image = false});
  definition->spec.config.unknown.emplace_back("Strange", api::RawJson{"[1,2]"});
  definition->created = TimePoint(Duration(123456789));
  definition->anonymous_volumes = {"vol"};
  definition->summary = make_static_summary(*definition);
  record->set_definition(definition);
  record->change_state([](ContainerState& state) { state.started(7, TimePoint(Duration(5))); });
  ContainerNetworks networks;
  networks.endpoints["bridge"].network_id = "net";
  record->set_networks(networks);
  run(table.save_definition(record));
  run(table.save_state(record));
  run(store->put(StateKind::container, std::string(64, 'd'), "{broken"));
  ContainerTable again(*store);
  run(again.load());
  ASSERT_EQ(again.size(), 1U) << "a damaged document is left out";
  const auto read = again.get("kept");
  EXPECT_EQ(definition_to_json(*read->definition()), definition_to_json(*definition));
  EXPECT_EQ(read->state()->pid(), 7);
  EXPECT_EQ(read->networks()->endpoints.at("bridge").network_id, "net");
  EXPECT_EQ(again.with_labels({"k=v"}).size(), 1U);
  EXPECT_EQ(again.using_volume("vol").size(), 1U);
  EXPECT_EQ(again.on_network("net").size(), 1U);
  EXPECT_EQ(read->definition()->spec.config.unknown.front().second.text, "[1,2]");
}

TEST_F(ContainerTableTest, ManyThreadsMakeFindAndRemove) {
  std::atomic<int> conflicts{0};
  std::vector<std::jthread> threads;
  for (int worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 200; ++i) {
        const auto record =
            add(fmt::format("{:x}{:03x}", worker + 1, i), fmt::format("c{}-{}", worker, i), {{"worker", std::to_string(worker)}});
        try {
          const auto reservation = table.reserve_name("shared", record->id());
          std::this_thread::yield();
        } catch (const Error&) {
          ++conflicts;
        }
        EXPECT_EQ(table.get(record->id().str()), record);
        record->change_state([](ContainerState& state) { state.started(1, TimePoint{}); });
        EXPECT_FALSE(table.with_labels({fmt::format("worker={}", worker)}).empty());
        std::ignore = table.all().size();
        if (i % 2 == 0) table.erase(record);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(table.size(), 400U);
  EXPECT_NO_THROW(table.reserve_name("shared", ContainerId::parse(std::string(64, 'f'))));
}

}  // namespace
}  // namespace sockerless
