#include "api/json.hpp"
#include "oci/digest.hpp"
#include "oci/tar.hpp"
#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StringSink final : public oci::TarWriter::Sink {
 public:
  void blocking_write(std::span<const std::byte> bytes) override { text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  std::string text;
};

std::string tar_of(const std::vector<oci::TarEntry>& entries, const std::vector<std::pair<std::string, std::string>>& files = {}) {
  StringSink sink;
  oci::TarWriter writer(sink);
  for (const auto& entry : entries) writer.blocking_add(entry);
  for (const auto& [name, content] : files) writer.blocking_add_file(name, content);
  writer.blocking_finish();
  return sink.text;
}

/// A docker-archive of one image with one layer. @param claimed_diff_id  empty: the true one.
std::string docker_archive(const std::string& reference, const std::string& layer, std::string claimed_diff_id = {}) {
  if (claimed_diff_id.empty()) claimed_diff_id = oci::Digest::of(layer).str();
  const std::string config =
      R"({"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":{"Cmd":["sh"],"Env":["A=b"]},)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
      claimed_diff_id + R"("]},"history":[{"created_by":"made by hand"}]})";
  const std::string config_name = oci::Digest::of(config).hex() + ".json";
  const std::string manifest = R"([{"Config":")" + config_name + R"(","RepoTags":[")" + reference + R"("],"Layers":["layer.tar"]}])";
  return tar_of({}, {{config_name, config}, {"layer.tar", layer}, {"manifest.json", manifest}});
}

TEST_P(BackendConformance, AnImportedImageIsThere) {
  const std::string progress = import_image("made", "here", {"CMD [\"sh\"]", "ENV WHO=me", "LABEL kind=test"});
  const auto image = run(images().inspect({"made:here"}));
  EXPECT_THAT(*image.id, testing::MatchesRegex("sha256:[0-9a-f]{64}"));
  EXPECT_THAT(progress, HasSubstr(*image.id));
  EXPECT_THAT(*image.repo_tags, ElementsAre("made:here"));
  EXPECT_THAT(*image.config->env, ElementsAre("WHO=me"));
  EXPECT_EQ(image.config->labels->at("kind"), "test");
  EXPECT_EQ(image.os, "linux");
  EXPECT_GT(*image.size, 0);
  EXPECT_THAT(*image.root_fs->layers, SizeIs(1));
  EXPECT_EQ(run(images().inspect({image.id->substr(7, 12)})).id, image.id);
  const auto history = run(images().history({"made:here"}));
  ASSERT_THAT(history, SizeIs(1));
  EXPECT_EQ(history[0].id, *image.id);
}

TEST_P(BackendConformance, AnImageThatIsNotThereIsNotFound) {
  EXPECT_THAT(error_from([&] { run(images().inspect({"nothing"})); }), FailsWith(ErrorCode::not_found, "No such image: nothing:latest"));
  EXPECT_THAT(error_from([&] { run(images().history({"nothing"})); }), FailsWith(ErrorCode::not_found, "No such image: nothing:latest"));
  EXPECT_THAT(error_from([&] { run(images().remove({"nothing"}, {})); }), FailsWith(ErrorCode::not_found, "No such image: nothing:latest"));
  EXPECT_EQ(error_from([&] { run(images().tag({"nothing"}, "other", "x")); }).code(), ErrorCode::not_found);
}

TEST_P(BackendConformance, AnImageHasAsManyNamesAsItWasGiven) {
  run(images().tag({kImage}, "second", "v1"));
  run(images().tag({kImage}, "registry.example.com:5000/deep/third", "v2"));
  const auto all = run(images().list({}));
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_THAT(all[0].repo_tags, testing::UnorderedElementsAre(kImage, "second:v1", "registry.example.com:5000/deep/third:v2"));
  EXPECT_EQ(run(images().inspect({"registry.example.com:5000/deep/third:v2"})).id, all[0].id);
  EXPECT_THAT(error_from([&] { run(images().tag({kImage}, "Not Valid", "x")); }).code(), refusal(ErrorCode::invalid_argument));
  const auto untagged = run(images().remove({"second:v1"}, {}));
  ASSERT_THAT(untagged, SizeIs(1));
  EXPECT_EQ(untagged[0].untagged, "second:v1");
  EXPECT_EQ(run(images().inspect({kImage})).id, all[0].id);
}

TEST_P(BackendConformance, RemovingTheLastNameRemovesTheImage) {
  import_image("gone", "soon", {"LABEL its=own"});
  const std::string id = *run(images().inspect({"gone:soon"})).id;
  const auto removed = run(images().remove({"gone:soon"}, {}));
  ASSERT_FALSE(removed.empty());
  EXPECT_EQ(removed.front().untagged, "gone:soon");
  EXPECT_TRUE(std::ranges::any_of(removed, [&](const auto& item) { return item.deleted == id; }));
  EXPECT_EQ(error_from([&] { run(images().inspect({id})); }).code(), ErrorCode::not_found);
  EXPECT_EQ(run(images().list({})).size(), 1U);
}

TEST_P(BackendConformance, AnImageInUseStays) {
  const std::string id = start(profile().runs_forever());
  EXPECT_EQ(error_from([&] { run(images().remove({inspect(id).image.value()}, {.force = Force::yes})); }).code(), ErrorCode::conflict);
  EXPECT_EQ(error_from([&] { run(images().remove({kImage}, {})); }).code(), ErrorCode::conflict);
  EXPECT_EQ(run(images().list({})).size(), 1U);
}

TEST_P(BackendConformance, ADanglingImageIsPruned) {
  import_image("moving", "tag", {"LABEL n=1"});
  import_image("moving", "tag", {"LABEL n=2"});
  api::Filters dangling;
  dangling.add("dangling", "true");
  EXPECT_THAT(run(images().list({.all = false, .shared_size = false, .digests = false, .filters = dangling})), SizeIs(1));
  EXPECT_FALSE(run(images().prune({})).images_deleted->empty());
  EXPECT_EQ(run(images().list({})).size(), 2U);
}

TEST_P(BackendConformance, ADockerArchiveIsLoaded) {
  const std::string archive = docker_archive("loaded:v1", tar_of({}, {{"hello", "world"}}));
  // In pieces that have nothing to do with the archive's own.
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < archive.size(); at += 777) pieces.push_back(archive.substr(at, 777));
  EXPECT_THAT(read_progress(images().load(make_pieces(std::move(pieces)), false)), HasSubstr("Loaded image: loaded:v1"));
  const auto image = run(images().inspect({"loaded:v1"}));
  EXPECT_THAT(*image.config->env, ElementsAre("A=b"));
  EXPECT_EQ(run(images().history({"loaded:v1"})).front().created_by, "made by hand");
}

TEST_P(BackendConformance, WhatIsNoArchiveIsNotLoaded) {
  const std::string layer = tar_of({}, {{"hello", "world"}});
  const std::string whole = docker_archive("half:v1", layer);
  const std::vector<std::string> bad = {"this is no tar archive",
                                        std::string(10240, 'x'),
                                        tar_of({}, {{"manifest.json", "[{]"}}),
                                        tar_of({}, {{"nothing", "here"}}),
                                        whole.substr(0, whole.size() / 2),
                                        docker_archive("wrong:v1", layer, oci::Digest::of("another layer").str())};
  for (const std::string& archive : bad) {
    const Error error = error_from([&] { read_progress(images().load(make_pieces({archive}), false)); });
    EXPECT_THAT(error.code(), refusal(ErrorCode::invalid_argument)) << error.message();
  }
  EXPECT_EQ(run(images().list({.all = true})).size(), 1U) << "no half image";
}

TEST_P(BackendConformance, AHostileLayerIsRefused) {
  using Type = oci::TarEntry::Type;
  const std::vector<oci::TarEntry> hostile = {{.type = Type::file, .name = "../escaped", .mode = 0644},
                                              {.type = Type::file, .name = "a/../../escaped", .mode = 0644},
                                              {.type = Type::hard_link, .name = "link", .link = "../../etc/passwd", .mode = 0644},
                                              {.type = Type::symlink, .name = "out", .link = "../../etc", .mode = 0777}};
  const auto load = [&](const oci::TarEntry& entry) {
    return read_progress(images().load(make_pieces({docker_archive("hostile:v1", tar_of({entry}))}), false));
  };
  if (profile().is_dockerd()) {
    // It unpacks in a chroot, where there is no outside: it takes what leads nowhere, and says so of what it cannot make.
    EXPECT_THAT(load(hostile[0]), HasSubstr("Loaded image: hostile:v1"));
    EXPECT_THAT(load(hostile[3]), HasSubstr("Loaded image: hostile:v1"));
    EXPECT_THAT(error_from([&] { load(hostile[2]); }), FailsWith(ErrorCode::internal, "no such file or directory"));
    return;
  }
  for (const oci::TarEntry& entry : hostile) {
    const Error error = error_from([&] { load(entry); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << entry.name << ": " << error.message();
  }
  EXPECT_EQ(run(images().list({.all = true})).size(), 1U);
}

TEST_P(BackendConformance, AClientThatGoesWhileItLoadsLeavesNothing) {
  const std::string archive = docker_archive("gone:v1", tar_of({}, {{"hello", "world"}}));
  for (const std::size_t size : {0UL, 100UL, archive.size() / 2, archive.size() - 1025}) {
    error_from([&] { read_progress(images().load(make_pieces({archive.substr(0, size)}, Ending::gone), false)); });
  }
  EXPECT_EQ(run(images().list({.all = true})).size(), 1U);
}

TEST_P(BackendConformance, PullingMakesAnImageWhereABackendCanPull) {
  RegistryRole* registry = backend().registry();
  EXPECT_EQ(registry != nullptr, backend().capabilities().image_pull);
  if (registry == nullptr) return;  // said so by its capabilities, and checked
  if (profile().is_dockerd() || backend().capabilities().backend == "local") {
    // There is no registry beside the tests; that it was asked is seen by what it says of one that nobody serves.
    const auto nowhere = [&] {
      return read_progress(registry->pull({.image = "127.0.0.1:1/alpine", .tag = "3.20", .platform = {}, .auth = {}}));
    };
    EXPECT_THAT(error_from(nowhere), FailsWith(ErrorCode::internal, "connection refused"));
    return;
  }
  const auto pull = [&] { return read_progress(registry->pull({.image = "alpine", .tag = "3.20", .platform = {}, .auth = {}})); };
  const std::string first = pull();
  EXPECT_THAT(first, HasSubstr("Pulling from library/alpine"));
  EXPECT_THAT(first, HasSubstr("Digest: sha256:"));
  EXPECT_THAT(first, HasSubstr("Status: Downloaded newer image for alpine:3.20"));
  EXPECT_THAT(first, testing::EndsWith("\r\n"));
  EXPECT_THAT(pull(), HasSubstr("Status: Image is up to date for alpine:3.20"));
  const auto image = run(images().inspect({"alpine:3.20"}));
  EXPECT_THAT(*image.repo_digests, SizeIs(1));
  api::ContainerCreateRequest request;
  request.image = "alpine:3.20";
  EXPECT_FALSE(create(request).empty());
}

}  // namespace
}  // namespace sockerless::conformance
