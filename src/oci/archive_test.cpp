#include "oci/archive.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/image_fixtures.hpp"
#include "oci/layer.hpp"
#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace testing_support;  // NOLINT(google-build-using-namespace)

std::vector<ArchivedImage> read(const std::string& bytes, const ArchiveOptions& options = {}) {
  return blocking_read_archive(blob_of(bytes), std::filesystem::temp_directory_path().string(), options);
}

std::string failure(const std::string& bytes, const ArchiveOptions& options = {}) {
  return message_of([&] { read(bytes, options); });
}

std::string content(const ArchivedLayer& layer) { return layer.content.blocking_read_all(1UL << 20); }

const std::string kLayer1 = TarBuilder().file("one", "1").finish();  // NOLINT(cert-err58-cpp)
const std::string kLayer2 = TarBuilder().file("two", "2").finish();  // NOLINT(cert-err58-cpp)

TEST(DockerArchive, GivesImagesWithConfigurationLayersAndNames) {
  const std::string config = make_config({kLayer1, kLayer2});
  const auto images = read(
      TarBuilder()
          .directory("aa")
          .file("aa/VERSION", "1.0")
          .file("aa/layer.tar", kLayer1)
          .directory("bb")
          .file("bb/layer.tar", kLayer2)
          .file("c.json", config)
          .file("manifest.json", R"([{"Config":"c.json","RepoTags":["busybox:latest","x/y:1"],"Layers":["aa/layer.tar","bb/layer.tar"]}])")
          .file("repositories", "{}")
          .finish());
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].document.raw, config);
  EXPECT_EQ(images[0].document.id(), Digest::of(std::string_view(config)));
  EXPECT_THAT(images[0].references, ElementsAre("busybox:latest", "x/y:1"));
  ASSERT_THAT(images[0].layers, SizeIs(2));
  EXPECT_EQ(content(images[0].layers[0]), kLayer1);
  EXPECT_EQ(content(images[0].layers[1]), kLayer2);
  EXPECT_EQ(images[0].layers[1].diff_id, Digest::of(std::string_view(kLayer2)));
}

TEST(DockerArchive, FollowsTheLinksOfRepeatedLayers) {
  const std::string config = make_config({kLayer1, kLayer1, kLayer1});
  const auto images =
      read(TarBuilder()
               .file("aa/layer.tar", kLayer1)
               .symlink("bb/layer.tar", "../aa/layer.tar")
               .hard_link("cc/layer.tar", "bb/layer.tar")
               .file("c.json", config)
               .file("manifest.json", R"([{"Config":"c.json","RepoTags":null,"Layers":["aa/layer.tar","bb/layer.tar","cc/layer.tar"]}])")
               .finish());
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(images[0].references, IsEmpty());
  for (const auto& layer : images[0].layers) EXPECT_EQ(content(layer), kLayer1);
}

TEST(DockerArchive, IsReadCompressedToo) {
  const std::string plain = docker_archive({kLayer1}, {"a:b"});
  for (const char* filter : {"gzip", "zstd", "xz", "bzip2"}) {
    const auto images = read(compress(plain, filter));
    ASSERT_THAT(images, SizeIs(1)) << filter;
    EXPECT_EQ(content(images[0].layers.at(0)), kLayer1) << filter;
  }
}

TEST(DockerArchive, ADecompressionBombHitsTheLimit) {
  ArchiveOptions options;
  options.max_bytes = 100'000;
  const std::string bomb = compress(docker_archive({std::string(4'000'000, '\0')}, {}), "gzip");
  EXPECT_THAT(failure(bomb, options), HasSubstr("too large once decompressed"));
}

TEST(DockerArchive, ATornArchiveIsAnError) {
  const std::string whole = docker_archive({kLayer1, kLayer2}, {"a:b"});
  ASSERT_EQ(failure(whole), "");
  for (std::size_t cut = 0; cut + 1024 < whole.size(); cut += 100) EXPECT_NE(failure(whole.substr(0, cut)), "") << cut;
  const std::string gzip = compress(whole, "gzip");
  for (std::size_t cut = 0; cut + 9 < gzip.size(); cut += 7) EXPECT_NE(failure(gzip.substr(0, cut)), "") << cut;
}

TEST(DockerArchive, SaysWhatIsWrongInDockersWords) {
  const auto with_manifest = [](const std::string& manifest) {
    return TarBuilder().file("l", kLayer1).file("c.json", make_config({kLayer1})).file("manifest.json", manifest).finish();
  };
  EXPECT_EQ(failure(with_manifest(R"([{"Config":"c.json","Layers":["l"]}])")), "");
  EXPECT_THAT(read(with_manifest("[]")), IsEmpty());
  EXPECT_THAT(failure(with_manifest("null")), HasSubstr("manifest cannot be null (but can be [])"));
  EXPECT_THAT(failure(with_manifest(R"([{"Config":"c.json","Layers":[]}])")), HasSubstr("layers length mismatch: expected 0, got 1"));
  EXPECT_THAT(failure(with_manifest(R"([{"Config":"missing.json","Layers":["l"]}])")), HasSubstr("no file \"missing.json\""));
  EXPECT_THAT(failure(with_manifest(R"([{"Config":"c.json","Layers":["../../../etc/passwd"]}])")), HasSubstr("no file"));
  EXPECT_THAT(failure(with_manifest(R"([{"Config":"l","Layers":["l"]}])")), HasSubstr("invalid image configuration"));
  for (const char* manifest : {"", "{", "{}", "[1]", "[{}]", R"([{"Config":1}])", R"([{"Config":"c.json","Layers":"l"}])",
                               R"([{"Config":"c.json","Layers":[null]}])"}) {
    EXPECT_NE(failure(with_manifest(manifest)), "") << manifest;
  }
  EXPECT_THAT(failure(TarBuilder().file("f", "x").finish()), HasSubstr("neither manifest.json"));
  EXPECT_THAT(failure(""), HasSubstr("neither manifest.json"));
  EXPECT_THAT(failure("this is no tar file at all" + std::string(2000, '.')), HasSubstr("invalid tar header"));
  const std::string windows = R"({"os":"windows","rootfs":{"type":"layers","diff_ids":[]}})";
  EXPECT_EQ(failure(TarBuilder().file("c", windows).file("manifest.json", R"([{"Config":"c","Layers":[]}])").finish()),
            "cannot load windows image on linux");
}

TEST(DockerArchive, NamesThatClimbOutAreRefused) {
  EXPECT_THAT(failure(TarBuilder().file("../evil", "x").finish()), HasSubstr("breakout attempt"));
  EXPECT_THAT(failure(TarBuilder().symlink("l", "../../etc/passwd").finish()), HasSubstr("breakout attempt: invalid symlink"));
  EXPECT_THAT(failure(TarBuilder().hard_link("l", "../etc/passwd").finish()), HasSubstr("breakout attempt: invalid hardlink"));
  const std::string loop = TarBuilder().symlink("manifest.json", "b").symlink("b", "manifest.json").finish();
  EXPECT_THAT(failure(loop), HasSubstr("too many levels of symbolic links"));
}

TEST(OciLayout, GivesImagesWithVerifiedDocuments) {
  for (const char* filter : {"", "gzip", "zstd"}) {
    OciLayoutBuilder layout;
    layout.add_image({kLayer1, kLayer2}, filter,
                     R"({"io.containerd.image.name":"docker.io/library/a:b","org.opencontainers.image.ref.name":"b"})");
    const auto images = read(layout.finish());
    ASSERT_THAT(images, SizeIs(1)) << filter;
    EXPECT_THAT(images[0].references, ElementsAre("docker.io/library/a:b"));
    ASSERT_THAT(images[0].layers, SizeIs(2));
    TempDir root;
    const auto source = images[0].layers[1].content.open();
    LayerOptions options;
    options.expected_diff_id = images[0].layers[1].diff_id;
    blocking_apply_layer(RootedDir::blocking_open(root.path().string()), *source, options);
    EXPECT_EQ(read_file(root / "two"), "2");
  }
}

TEST(OciLayout, ATagAloneIsNoName) {
  OciLayoutBuilder layout;
  layout.add_image({kLayer1}, "", R"({"org.opencontainers.image.ref.name":"latest"})");
  EXPECT_THAT(read(layout.finish()).at(0).references, IsEmpty());
  OciLayoutBuilder named;
  named.add_image({kLayer1}, "", R"({"org.opencontainers.image.ref.name":"localhost/x:1"})");
  EXPECT_THAT(read(named.finish()).at(0).references, ElementsAre("localhost/x:1"));
}

TEST(OciLayout, TakesThePlatformsImageOutOfNestedIndexes) {
  OciLayoutBuilder layout;
  const std::string other = layout.add_manifest({kLayer2}, "");
  const std::string own = layout.add_manifest({kLayer1}, "");
  const std::string host = fmt::format(R"("platform":{{"os":"linux","architecture":"{}"}})", Platform::host().architecture);
  const std::string attestation = layout.descriptor(other, R"("platform":{"os":"unknown","architecture":"unknown"})");
  const std::string index =
      fmt::format(R"({{"schemaVersion":2,"manifests":[{},{},{}]}})", attestation,
                  layout.descriptor(other, R"("platform":{"os":"linux","architecture":"mips"})"), layout.descriptor(own, host));
  layout.add_descriptor(
      layout.descriptor(layout.add_blob(index), R"("annotations":{"io.containerd.image.name":"docker.io/library/multi:1"})"));
  const auto images = read(layout.finish());
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(content(images[0].layers.at(0)), kLayer1);
  EXPECT_THAT(images[0].references, ElementsAre("docker.io/library/multi:1"));
  ArchiveOptions mips;
  mips.platform = Platform::parse("linux/mips");
  EXPECT_EQ(content(read(layout.finish(), mips).at(0).layers.at(0)), kLayer2);
  ArchiveOptions none;
  none.platform = Platform::parse("linux/s390x");
  EXPECT_THAT(failure(layout.finish(), none), HasSubstr("no image for linux/s390x"));
}

TEST(OciLayout, OneImageUnderTwoNamesIsOneImage) {
  OciLayoutBuilder layout;
  layout.add_image({kLayer1}, "", R"({"io.containerd.image.name":"docker.io/library/a:1"})");
  layout.add_image({kLayer1}, "", R"({"io.containerd.image.name":"docker.io/library/a:2"})");
  const auto images = read(layout.finish());
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(images[0].references, ElementsAre("docker.io/library/a:1", "docker.io/library/a:2"));
}

TEST(OciLayout, ContentThatIsNotWhatItsNameSaysIsRefused) {
  const std::string config = make_config({kLayer1});
  const std::string wrong = Digest::of(std::string_view("something else")).str();
  OciLayoutBuilder layout;
  layout.add_named_blob(wrong, config);
  const std::string manifest = fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})", layout.descriptor(wrong, ""),
                                           layout.descriptor(layout.add_blob(kLayer1), ""));
  layout.add_descriptor(layout.descriptor(layout.add_blob(manifest), ""));
  EXPECT_THAT(failure(layout.finish()), HasSubstr("has other content than its name says"));

  OciLayoutBuilder sized;
  const std::string layer = sized.add_blob(kLayer1);
  const std::string lying = fmt::format(R"({{"digest":"{}","size":{}}})", layer, kLayer1.size() + 1);
  const std::string bad =
      fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})", sized.descriptor(sized.add_blob(config), ""), lying);
  sized.add_descriptor(sized.descriptor(sized.add_blob(bad), ""));
  EXPECT_THAT(failure(sized.finish()), HasSubstr("its manifest says"));

  OciLayoutBuilder missing;
  missing.add_descriptor(fmt::format(R"({{"digest":"{}","size":3}})", wrong));
  EXPECT_THAT(failure(missing.finish()), HasSubstr("the archive has no file"));

  OciLayoutBuilder hostile;
  hostile.add_descriptor(R"({"digest":"sha256:../../../../etc/passwd","size":3})");
  EXPECT_THAT(failure(hostile.finish()), HasSubstr("invalid checksum digest format"));
}

TEST(OciLayout, AnIndexOfItselfEnds) {
  // A digest cannot name itself, but an index can nest as deep as somebody likes to build it.
  OciLayoutBuilder layout;
  std::string inner = layout.add_manifest({kLayer1}, "");
  for (int i = 0; i < 10; ++i)
    inner = layout.add_blob(fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", layout.descriptor(inner, "")));
  layout.add_descriptor(layout.descriptor(inner, ""));
  EXPECT_THAT(failure(layout.finish()), HasSubstr("nested too deep"));
}

TEST(OciLayout, AFileThatIsBothIsReadAsDockerArchive) {
  OciLayoutBuilder layout;
  layout.add_image({kLayer1}, "", "{}");
  layout.tar()
      .file("l", kLayer2)
      .file("c", make_config({kLayer2}))
      .file("manifest.json", R"([{"Config":"c","Layers":["l"],"RepoTags":["both:1"]}])");
  EXPECT_THAT(read(layout.finish()).at(0).references, ElementsAre("both:1"));
}

}  // namespace
}  // namespace sockerless::oci
