#include "backends/local/image_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/byte_stream.hpp"
#include "oci/image_fixtures.hpp"
#include "oci/test_support.hpp"

namespace sockerless::local {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace oci::testing_support;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

const std::string kLayer1 = TarBuilder().file("one", "1").finish();   // NOLINT(cert-err58-cpp)
const std::string kLayer2 = TarBuilder().file("two", "22").finish();  // NOLINT(cert-err58-cpp)

struct Lines : ProgressSink {
  Task<void> write(std::string json_line) override {
    lines.push_back(std::move(json_line));
    co_return;
  }
  std::vector<std::string> lines;
};

/// Comes in pieces, and may break off.
class Body : public ByteSource {
 public:
  explicit Body(std::string bytes, std::optional<std::size_t> breaks_at = {}) : bytes_(std::move(bytes)), breaks_at_(breaks_at) {}
  Task<std::span<const std::byte>> next() override {
    if (breaks_at_ && at_ >= *breaks_at_) throw Error::unavailable("the client is gone");
    const std::size_t count = std::min<std::size_t>(1000, bytes_.size() - at_);
    const auto piece = as_bytes(std::string_view(bytes_).substr(at_, count));
    at_ += count;
    co_return piece;
  }

 private:
  std::string bytes_;
  std::optional<std::size_t> breaks_at_;
  std::size_t at_ = 0;
};

class ImageDriverTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_ = ImageStore::blocking_open(temp_ / "images");
    driver_ = make_image_driver({.pool = pool_, .clock = system_clock(), .store = store_, .executor = pool_.executor()});
  }
  std::vector<NamedImage> load(std::string bytes, std::optional<std::size_t> breaks_at = {}) {
    return run(driver_->load(std::make_unique<Body>(std::move(bytes), breaks_at), sink_));
  }
  ImageFacts import(std::string bytes, std::vector<std::string> changes = {}, std::string message = "Imported from -") {
    return run(driver_->import(ImportSpec{std::move(message), "", std::move(changes)}, std::make_unique<Body>(std::move(bytes)), sink_));
  }
  void expect_nothing_there() {
    EXPECT_THAT(run(driver_->restore()), IsEmpty());
    for (const char* folder : {"images", "layers", "staging"}) EXPECT_TRUE(fs::is_empty(temp_ / "images" / folder)) << folder;
  }

  TempDir temp_;
  BlockingPool pool_{2};
  std::shared_ptr<ImageStore> store_;
  std::unique_ptr<ImageDriver> driver_;
  Lines sink_;
};

TEST_F(ImageDriverTest, LoadsADockerArchive) {
  const std::string config =
      make_config({kLayer1, kLayer2}, R"({"Env":["A=b"],"Cmd":["sh"],"Labels":{"l":"m"},"ExposedPorts":{"80/tcp":{}}})");
  const auto images = load(docker_archive({kLayer1, kLayer2}, {"busybox:latest"}, config));
  ASSERT_THAT(images, SizeIs(1));
  const ImageFacts& facts = images[0].facts;
  EXPECT_EQ(facts.id, oci::Digest::of(std::string_view(config)).str());
  EXPECT_THAT(images[0].references, ElementsAre("busybox:latest"));
  EXPECT_EQ(facts.size, 3);
  EXPECT_EQ(facts.architecture, "amd64");
  EXPECT_EQ(facts.os, "linux");
  EXPECT_EQ(format_rfc3339(facts.created.value()), "2024-01-02T03:04:05.123456789Z");
  EXPECT_THAT(facts.layers,
              ElementsAre(oci::Digest::of(std::string_view(kLayer1)).str(), oci::Digest::of(std::string_view(kLayer2)).str()));
  EXPECT_THAT(facts.config.env.value(), ElementsAre("A=b"));
  EXPECT_THAT(facts.config.cmd.value(), ElementsAre("sh"));
  ASSERT_THAT(facts.history, SizeIs(1));
  EXPECT_EQ(facts.history[0].id, facts.id);
  EXPECT_EQ(facts.history[0].size, 1);
  EXPECT_EQ(facts.history[0].created_by, "/bin/sh -c #(nop) ADD");
  ASSERT_THAT(sink_.lines, SizeIs(2));
  EXPECT_THAT(sink_.lines[0], HasSubstr(R"("status":"Loading layer","progressDetail":{"current":)"));
  open();
  const auto restored = run(driver_->restore());
  ASSERT_THAT(restored, SizeIs(1));
  EXPECT_EQ(restored[0].id, facts.id);
  EXPECT_EQ(restored[0].config, facts.config);
}

TEST_F(ImageDriverTest, LoadsAnOciLayoutCompressedAsAWhole) {
  oci::testing_support::OciLayoutBuilder layout;
  layout.add_image({kLayer1}, "zstd", R"({"io.containerd.image.name":"docker.io/library/a:1"})");
  const auto images = load(compress(layout.finish(), "gzip"));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(images[0].references, ElementsAre("docker.io/library/a:1"));
  EXPECT_EQ(read_file(store_->blocking_layer_folders(images[0].facts.id).at(0) + "/one"), "1");
}

TEST_F(ImageDriverTest, AFailedLoadLeavesNothing) {
  const std::string good = docker_archive({kLayer1, kLayer2}, {"a:1"});
  EXPECT_THAT(message_of([&] { load(good, 3000); }), HasSubstr("the client is gone"));
  expect_nothing_there();
  EXPECT_EQ(message_of([&] { load(good.substr(0, 4000)); }), "Error processing tar file: unexpected EOF");
  expect_nothing_there();
  const std::string hostile = TarBuilder().file("../../evil", "x").finish();
  EXPECT_THAT(message_of([&] { load(docker_archive({kLayer1, hostile}, {"a:1"})); }), HasSubstr("breakout attempt"));
  expect_nothing_there();
  const std::string wrong = docker_archive({kLayer1, kLayer2}, {"a:1"}, make_config({kLayer2, kLayer1}));
  EXPECT_THAT(message_of([&] { load(wrong); }), HasSubstr("invalid diffID for layer"));
  expect_nothing_there();
  EXPECT_NE(message_of([&] { load(docker_archive({kLayer1}, {}, make_config({kLayer1}, R"({"Env":5})"))); }), "");
  expect_nothing_there();
  EXPECT_THAT(load(good), SizeIs(1));
}

TEST_F(ImageDriverTest, OfSeveralImagesAllOrNoneAreLoaded) {
  const std::string first = make_config({kLayer1});
  const std::string second = make_config({kLayer2});
  const auto archive = [&](const std::string& layer) {
    return TarBuilder()
        .file("a", first)
        .file("b", second)
        .file("1.tar", kLayer1)
        .file("2.tar", layer)
        .file("manifest.json",
              R"([{"Config":"a","RepoTags":["a:1"],"Layers":["1.tar"]},{"Config":"b","RepoTags":["b:1"],"Layers":["2.tar"]}])")
        .finish();
  };
  EXPECT_THAT(message_of([&] { load(archive(kLayer1)); }), HasSubstr("invalid diffID"));
  expect_nothing_there();
  EXPECT_THAT(load(archive(kLayer2)), SizeIs(2));
}

TEST_F(ImageDriverTest, ImportsARootFileSystem) {
  const std::string tar = TarBuilder().directory("bin").file("bin/sh", "#!", 0755).finish();
  const ImageFacts facts =
      import(compress(tar, "gzip"), {R"(CMD ["/bin/sh"])", "ENV A=1 B='2 3'", "LABEL x=y", "EXPOSE 80", "WORKDIR /w", "USER 5"});
  EXPECT_EQ(facts.comment, "Imported from -");
  EXPECT_EQ(facts.os, "linux");
  EXPECT_EQ(facts.size, 2);
  EXPECT_TRUE(facts.created);
  EXPECT_THAT(facts.layers, ElementsAre(oci::Digest::of(std::string_view(tar)).str()));
  EXPECT_THAT(facts.config.cmd.value(), ElementsAre("/bin/sh"));
  EXPECT_THAT(facts.config.env.value(), ElementsAre("A=1", "B=2 3"));
  EXPECT_EQ(facts.config.working_dir, "/w");
  EXPECT_EQ(facts.config.user, "5");
  EXPECT_EQ(facts.config.labels.value().at("x"), "y");
  EXPECT_TRUE(facts.config.exposed_ports.value().contains("80/tcp"));
  ASSERT_THAT(facts.history, SizeIs(1));
  EXPECT_EQ(facts.history[0].comment, "Imported from -");
  EXPECT_EQ(facts.history[0].size, 2);
  EXPECT_EQ(stat_of(store_->blocking_layer_folders(facts.id).at(0) + "/bin/sh").st_mode, S_IFREG | 0755U);
}

TEST_F(ImageDriverTest, ABadImportSaysWhyAndLeavesNothing) {
  EXPECT_EQ(message_of([&] { import(kLayer1, {"RUN x"}); }), "run is not a valid change command");
  EXPECT_EQ(message_of([&] { import("garbage, not a tar"); }), "Error processing tar file: unexpected EOF");
  EXPECT_THAT(message_of([&] { import(TarBuilder().symlink("l", "../../etc").finish()); }), HasSubstr("breakout attempt: invalid symlink"));
  expect_nothing_there();
}

TEST_F(ImageDriverTest, SavesWhatItLoaded) {
  const std::string tar =
      TarBuilder().directory("d").file("d/f", std::string(300'000, 'f')).hard_link("h", "d/f").file(".wh.gone", "").finish();
  auto images = load(docker_archive({tar, kLayer1}, {"busybox:latest", "x.io/y:1"}));
  const std::string archive = run([](ImageDriver* driver, std::vector<NamedImage> named) -> Task<std::string> {
    const auto source = co_await driver->save(std::move(named));
    co_return co_await read_all(*source, 1UL << 24);
  }(driver_.get(), images));
  run(driver_->remove(images[0].facts.id));
  expect_nothing_there();
  const auto again = load(archive);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].facts.id, images[0].facts.id);
  EXPECT_EQ(again[0].references, images[0].references);
}

TEST_F(ImageDriverTest, ALayerWhoseTarIsNotKeptIsNotSaved) {
  const auto facts = import(TarBuilder().file("f", "first").file("f", "second").finish());
  EXPECT_THAT(message_of([&] { run(driver_->save({{facts, {}, {}}})); }), HasSubstr("names a file twice"));
  NamedImage unknown;
  unknown.facts.id = oci::Digest::of(std::string_view("x")).str();
  EXPECT_THAT(message_of([&] { run(driver_->save({unknown})); }), HasSubstr("No such image"));
}

TEST_F(ImageDriverTest, RemovesContent) {
  const ImageFacts facts = import(kLayer1);
  EXPECT_THAT(run(driver_->remove(facts.id)), ElementsAre(facts.layers.at(0)));
  expect_nothing_there();
  EXPECT_THAT(message_of([&] { run(driver_->remove(facts.id)); }), HasSubstr("No such image"));
}

}  // namespace
}  // namespace sockerless::local
