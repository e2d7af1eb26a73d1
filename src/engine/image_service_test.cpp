#include "engine/image_service.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

using fakes::make_image;

struct ImageServiceTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeImages driver;
  EventBus events{system_clock()};
  std::unique_ptr<ImageService> service;

  void SetUp() override {
    driver.stored = {make_image('a'), make_image('b'), make_image('c', make_image('b').id)};
    restart();
  }
  void restart() {
    service = std::make_unique<ImageService>(driver, *store, events, table, system_clock());
    run(service->restore());
  }
  void tag(char digit, std::string repo, std::string tag = "latest") {
    run(service->tag({std::string(64, digit)}, std::move(repo), std::move(tag)));
  }
  std::string id_of(const std::string& reference) { return service->get(reference)->id; }
  ContainerPtr user_of(char image, char digit) {
    WorkloadSpec spec = fakes::make_spec(digit, std::string("box-") + digit);
    spec.image_id = make_image(image).id;
    return fakes::add_container(table, std::move(spec));
  }
  /// "untagged x" and "deleted y", in order.
  std::vector<std::string> remove(std::string reference, Force force = Force::no) {
    RemoveImageOptions options;
    options.force = force;
    std::vector<std::string> told;
    for (const auto& item : run(service->remove({std::move(reference)}, options))) {
      told.push_back(item.untagged ? "untagged " + *item.untagged : "deleted " + *item.deleted);
    }
    return told;
  }
  std::vector<std::string> listed(std::string_view key = {}, std::string_view value = {}) {
    ListImagesOptions options;
    if (!key.empty()) options.filters.add(key, value);
    std::vector<std::string> ids;
    for (const auto& image : run(service->list(options))) ids.push_back(image.id.substr(7, 1));
    return ids;
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

const std::string kA(64, 'a');
const std::string kB(64, 'b');
const std::string kC(64, 'c');

TEST_F(ImageServiceTest, AnImageIsFoundByIdPrefixAndName) {
  tag('a', "busybox");
  tag('a', "localhost:5000/team/app", "1.0");
  for (const std::string& text :
       {kA, "sha256:" + kA, std::string("aaaa"), std::string("sha256:aa"), std::string("busybox"), std::string("busybox:latest"),
        std::string("docker.io/library/busybox"), std::string("localhost:5000/team/app:1.0")}) {
    EXPECT_EQ(id_of(text), "sha256:" + kA) << text;
  }
  expect_failure(service->inspect({"alpine"}), ErrorCode::not_found, "No such image: alpine:latest");
  expect_failure(service->inspect({"alpine:3@sha256:" + kA}), ErrorCode::not_found, "No such image: alpine:3@sha256:" + kA);
  expect_failure(service->inspect({std::string(64, 'd')}), ErrorCode::not_found, "No such image: sha256:" + std::string(64, 'd'));
  EXPECT_THROW(run(service->inspect({"Not A Reference"})), Error);
  EXPECT_EQ(service->find("Not A Reference"), nullptr);
}

TEST_F(ImageServiceTest, AnAmbiguousPrefixIsNoImage) {
  driver.stored.front().id = "sha256:b1" + std::string(62, '0');
  restart();
  expect_failure(service->inspect({"b"}), ErrorCode::not_found, "No such image: b:latest");
  EXPECT_EQ(id_of("b1"), driver.stored.front().id);
}

TEST_F(ImageServiceTest, NamesSurviveARestartAndMoveWithTheLastTag) {
  tag('a', "busybox");
  tag('b', "busybox");
  restart();
  EXPECT_EQ(id_of("busybox"), "sha256:" + kB);
  EXPECT_TRUE(run(service->inspect({kA})).repo_tags->empty());
  EXPECT_EQ(run(service->inspect({kB})).repo_tags, std::vector<std::string>{"busybox:latest"});
}

TEST_F(ImageServiceTest, NamesOfLostContentAreDropped) {
  tag('a', "busybox");
  driver.stored.erase(driver.stored.begin());
  restart();
  EXPECT_EQ(service->find("busybox"), nullptr);
  EXPECT_EQ(service->size(), 2);
}

TEST_F(ImageServiceTest, ABadNameIsRefused) {
  EXPECT_THROW(tag('a', "UPPER"), Error);
  EXPECT_THROW(tag('a', ""), Error);
  EXPECT_THROW(tag('a', "x", "not a tag"), Error);
  expect_failure(service->tag({kA}, "x@sha256:" + kA, ""), ErrorCode::invalid_argument, "refusing to create a tag with a digest reference");
  expect_failure(service->tag({"nope"}, "x", ""), ErrorCode::not_found, "No such image: nope:latest");
}

TEST_F(ImageServiceTest, TheListIsFilteredAndNewestFirst) {
  tag('a', "busybox");
  tag('a', "other", "1");
  EXPECT_EQ(listed(), (std::vector<std::string>{"c", "a"})) << "b is only c's parent";
  EXPECT_EQ(listed("dangling", "true"), std::vector<std::string>{"c"});
  EXPECT_EQ(listed("dangling", "false"), std::vector<std::string>{"a"});
  EXPECT_EQ(listed("reference", "busy*"), std::vector<std::string>{"a"});
  EXPECT_EQ(listed("reference", "alpine"), std::vector<std::string>{});
  EXPECT_EQ(listed("since", kA), std::vector<std::string>{"c"});
  EXPECT_EQ(listed("before", kC), std::vector<std::string>{"a"});
  EXPECT_EQ(listed("until", "1000"), std::vector<std::string>{});
  EXPECT_THROW(listed("nonsense", "x"), Error);
  ListImagesOptions options;
  options.all = true;
  options.filters.add("reference", "busybox");
  user_of('a', '1');
  const auto images = run(service->list(options));
  ASSERT_EQ(images.size(), 1);
  EXPECT_EQ(images[0].repo_tags, std::vector<std::string>{"busybox:latest"});
  EXPECT_EQ(images[0].containers, 1);
}

TEST_F(ImageServiceTest, HistoryCarriesTheTags) {
  tag('a', "busybox");
  const auto items = run(service->history({"busybox"}));
  ASSERT_EQ(items.size(), 1);
  EXPECT_EQ(items[0].id, "sha256:" + kA);
  EXPECT_EQ(items[0].tags, std::vector<std::string>{"busybox:latest"});
}

// ---- remove

TEST_F(ImageServiceTest, RemovingOneOfSeveralNamesOnlyUntags) {
  tag('a', "busybox");
  tag('a', "other");
  EXPECT_EQ(remove("other"), std::vector<std::string>{"untagged other:latest"});
  EXPECT_EQ(remove("busybox"), (std::vector<std::string>{"untagged busybox:latest", "deleted sha256:" + kA, "deleted sha256:chain-of-a"}));
  EXPECT_EQ(service->find(kA), nullptr);
  EXPECT_TRUE(run(store->load_all(StateKind::image)).empty());
}

TEST_F(ImageServiceTest, RemovingByIdTakesTheOnlyNameAlong) {
  tag('a', "busybox");
  EXPECT_EQ(remove("aaaa").front(), "untagged busybox:latest");
  tag('c', "one");
  tag('c', "two");
  expect_failure(service->remove({"cccc"}, {}), ErrorCode::conflict,
                 "conflict: unable to delete cccccccccccc (must be forced) - image is referenced in multiple repositories");
  EXPECT_EQ(remove("cccc", Force::yes).size(), 6) << "two names, c and its layer, b and its layer";
}

TEST_F(ImageServiceTest, AParentGoesWithItsLastChildAndNotBefore) {
  expect_failure(service->remove({"bbbb"}, {}), ErrorCode::conflict,
                 "conflict: unable to delete bbbbbbbbbbbb (cannot be forced) - image has dependent child images");
  RemoveImageOptions keep;
  keep.no_prune = true;
  EXPECT_EQ(run(service->remove({"cccc"}, keep)).size(), 2);
  EXPECT_NE(service->find(kB), nullptr);
}

TEST_F(ImageServiceTest, AnImageInUseStays) {
  tag('a', "busybox");
  const auto box = user_of('a', '1');
  expect_failure(
      service->remove({"busybox"}, {}), ErrorCode::conflict,
      "conflict: unable to remove repository reference \"busybox\" (must force) - container 111111111111 is using its referenced image "
      "aaaaaaaaaaaa");
  expect_failure(service->remove({"aaaa"}, {}), ErrorCode::conflict,
                 "conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is being used by stopped container 111111111111");
  fakes::start(box);
  RemoveImageOptions force;
  force.force = Force::yes;
  expect_failure(service->remove({"aaaa"}, force), ErrorCode::conflict,
                 "conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is being used by running container 111111111111");
  EXPECT_EQ(remove("busybox", Force::yes), std::vector<std::string>{"untagged busybox:latest"}) << "the name goes, the content stays";
  EXPECT_NE(service->find(kA), nullptr);
}

TEST_F(ImageServiceTest, AnImageOfWhichAContainerIsBeingMadeStays) {
  auto acquired = service->acquire(kA);
  EXPECT_THROW(remove("aaaa", Force::yes), Error);
  acquired.hold.reset();
  remove("aaaa");
}

TEST_F(ImageServiceTest, PruneTakesDanglingImagesOrAllUnused) {
  tag('a', "busybox");
  const auto pruned = run(service->prune({}));
  EXPECT_EQ(pruned.images_deleted->size(), 4) << "c and its parent b, a layer each";
  EXPECT_EQ(pruned.space_reclaimed, 200);
  EXPECT_NE(service->find("busybox"), nullptr);
  api::Filters all;
  all.add("dangling", "false");
  const auto box = user_of('a', '1');
  EXPECT_FALSE(run(service->prune(all)).images_deleted);
  table.erase(box);
  EXPECT_EQ(run(service->prune(all)).images_deleted->size(), 3);
}

// ---- load, import, pull, save

Task<std::string> text_of(Task<ProgressStream> operation, ImageService& service) {
  const auto stream = co_await std::move(operation);
  std::string text = co_await fakes::drain(*stream);
  co_await service.stop();
  co_return text;
}

TEST_F(ImageServiceTest, LoadTellsProgressAndNames) {
  driver.archive = {{make_image('d'), {"busybox:1"}, {}}, {make_image('e'), {}, {}}};
  driver.progress = {R"({"status":"Loading layer"})"};
  tag('a', "busybox", "1");
  EXPECT_EQ(run(text_of(service->load(make_text_source("tar"), false), *service)),
            "{\"status\":\"Loading layer\"}\r\n"
            "{\"stream\":\"The image busybox:1 already exists, renaming the old one with ID sha256:" +
                kA +
                " to empty string\\n\"}\r\n"
                "{\"stream\":\"Loaded image: busybox:1\\n\"}\r\n");
  EXPECT_EQ(id_of("busybox:1"), make_image('d').id);
  driver.archive = {{make_image('f'), {}, {}}};
  EXPECT_EQ(run(text_of(service->load(make_text_source("tar"), true), *service)),
            "{\"stream\":\"Loaded image ID: " + make_image('f').id + "\\n\"}\r\n");
}

TEST_F(ImageServiceTest, ALoadThatFailsLeavesNothing) {
  driver.archive = {{make_image('d'), {"busybox:1"}, {}}};
  driver.failure = Error::invalid_argument("bad archive");
  expect_failure(text_of(service->load(make_text_source("tar"), false), *service), ErrorCode::invalid_argument, "bad archive");
  EXPECT_EQ(service->size(), 3);
}

TEST_F(ImageServiceTest, AReaderThatGoesAwayCancelsTheLoad) {
  driver.archive = {{make_image('d'), {}, {}}};
  driver.progress = {"1", "2", "3"};
  run([](ImageService& images) -> Task<void> {
    auto stream = co_await images.load(make_text_source("tar"), false);
    EXPECT_EQ(as_text(co_await stream->next()), "1\r\n");
    stream.reset();
    co_await images.stop();
  }(*service));
  EXPECT_EQ(service->size(), 3);
}

TEST_F(ImageServiceTest, ACancelledReaderLeavesNoProducerBehind) {
  struct Stuck final : ByteSource {
    Signal never;
    bool* ended;
    explicit Stuck(bool* flag) : ended(flag) {}
    ~Stuck() override { *ended = true; }
    Task<std::span<const std::byte>> next() override {
      co_await never.wait_changed(never.version());
      co_return std::span<const std::byte>();
    }
  };
  bool ended = false;
  run([](ImageService& images, bool* flag) -> Task<void> {
    const auto stream = co_await images.load(std::make_unique<Stuck>(flag), false);
    const auto read = [](ByteSource& source) -> Task<void> { co_await source.next(); };
    co_await race(read(*stream), sleep_for(std::chrono::milliseconds(1)));
    EXPECT_TRUE(*flag) << "the archive is still being read";
    co_await images.stop();
  }(*service, &ended));
}

TEST_F(ImageServiceTest, ImportNamesTheImage) {
  driver.archive = {{make_image('d'), {}, {}}};
  ImportImageOptions options;
  options.repo = "mine";
  EXPECT_EQ(run(text_of(service->import(options, make_text_source("tar")), *service)), "{\"status\":\"" + make_image('d').id + "\"}\r\n");
  EXPECT_EQ(id_of("mine:latest"), make_image('d').id);
  options.repo = "BAD";
  EXPECT_THROW(run(service->import(options, make_text_source("tar"))), Error);
}

TEST_F(ImageServiceTest, PullNamesWhatTheRegistryGave) {
  driver.archive = {{make_image('d'), {"docker.io/library/alpine:3"}, "alpine@sha256:" + kB}};
  driver.progress = {R"({"status":"Pulling"})"};
  PullImageOptions options;
  options.image = "alpine";
  options.tag = "3";
  EXPECT_EQ(run(text_of(service->pull(options), *service)), "{\"status\":\"Pulling\"}\r\n");
  const auto image = run(service->inspect({"alpine:3"}));
  EXPECT_EQ(image.repo_tags, std::vector<std::string>{"alpine:3"});
  EXPECT_EQ(image.repo_digests, std::vector<std::string>{"alpine@sha256:" + kB});
  EXPECT_EQ(id_of("alpine@sha256:" + kB), make_image('d').id);
  EXPECT_EQ(remove("alpine:3").at(1), "untagged alpine@sha256:" + kB);
  driver.pulls = false;
  EXPECT_THROW(run(service->pull(options)), Error);
}

TEST_F(ImageServiceTest, SaveTakesTheNamesThatWereAskedFor) {
  tag('a', "busybox");
  tag('a', "busybox", "1");
  tag('a', "other");
  run(service->save({{"busybox"}}));
  EXPECT_EQ(driver.saved.at(0).references, (std::vector<std::string>{"busybox:1", "busybox:latest"}));
  run(service->save({{"busybox:1"}, {"aaaa"}, {kC}}));
  ASSERT_EQ(driver.saved.size(), 2);
  EXPECT_EQ(driver.saved[0].references, std::vector<std::string>{"busybox:1"});
  EXPECT_TRUE(driver.saved[1].references.empty());
  EXPECT_THROW(run(service->save({{"nope"}})), Error);
}

TEST_F(ImageServiceTest, ManyThreadsTagListAndRemove) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 50; ++round) {
        const std::string name = fmt::format("name-{}", i);
        run(service->tag({kA}, name, ""));
        run(service->list({}));
        const auto hold = service->acquire(name);
        EXPECT_EQ(hold.facts->id, "sha256:" + kA);
        run(service->tag({kC}, name, ""));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(run(service->inspect({kC})).repo_tags->size(), 4);
  EXPECT_TRUE(run(service->inspect({kA})).repo_tags->empty());
}

}  // namespace
}  // namespace sockerless
