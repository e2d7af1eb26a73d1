#include "oci/manifest.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/image_fixtures.hpp"
#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(google-build-using-namespace)

TEST(ImageDocument, KeepsItsBytesAndGivesItsFacts) {
  const std::string raw = make_config({"a", "b"}, R"({"Env":["PATH=/bin"],"Labels":{"n":"9007199254740993"}})");
  const ImageDocument image = ImageDocument::parse(raw);
  EXPECT_EQ(image.raw, raw);
  EXPECT_EQ(image.id(), Digest::of(std::string_view(raw)));
  EXPECT_EQ(image.architecture, "amd64");
  EXPECT_EQ(image.os, "linux");
  EXPECT_EQ(format_rfc3339(image.created.value()), "2024-01-02T03:04:05.123456789Z");
  EXPECT_EQ(image.config.at("Env").at(0), "PATH=/bin");
  ASSERT_EQ(image.diff_ids.size(), 2U);
  EXPECT_EQ(image.history.at(0).created_by, "/bin/sh -c #(nop) ADD");
  const auto chain = image.chain_ids();
  EXPECT_EQ(chain[0], image.diff_ids[0]);
  EXPECT_EQ(chain[1], Digest::of(std::string_view(image.diff_ids[0].str() + " " + image.diff_ids[1].str())));
}

TEST(ImageDocument, NullAndMissingMembersAreNothing) {
  const ImageDocument image =
      ImageDocument::parse(R"({"config":null,"history":null,"created":null,"author":null,"rootfs":{"type":"layers","diff_ids":null}})");
  EXPECT_TRUE(image.config.empty());
  EXPECT_TRUE(image.history.empty());
  EXPECT_FALSE(image.created);
  EXPECT_FALSE(ImageDocument::parse(R"({"created":"0001-01-01T00:00:00Z","rootfs":{}})").created);
}

TEST(ImageDocument, RefusesWhatIsNoImage) {
  EXPECT_EQ(message_of([] { ImageDocument::parse("{}"); }), "invalid image JSON, no RootFS key");
  for (const char* raw : {"", "[]", "{", R"({"rootfs":[]})", R"({"rootfs":{"diff_ids":["x"]}})", R"({"rootfs":{"diff_ids":[1]}})",
                          R"({"rootfs":{},"os":1})", R"({"rootfs":{},"created":"yesterday"})", R"({"rootfs":{},"history":[1]})",
                          R"({"rootfs":{},"config":"x"})", R"({"rootfs":{"type":"base"}})"}) {
    EXPECT_NE(message_of([&] { ImageDocument::parse(raw); }), "") << raw;
  }
  EXPECT_NE(message_of([] { ImageDocument::parse(std::string(100'000, '[')); }), "");
}

TEST(Manifest, IsAManifestOrAnIndexAndNeverBoth) {
  const std::string digest = Digest::of(std::string_view("x")).str();
  const std::string descriptor = fmt::format(
      R"({{"mediaType":"m","digest":"{}","size":1,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}})", digest);
  const auto manifest = parse_manifest(fmt::format(R"({{"config":{0},"layers":[{0}]}})", descriptor));
  ASSERT_TRUE(std::holds_alternative<ImageManifest>(manifest));
  EXPECT_EQ(std::get<ImageManifest>(manifest).layers.at(0).digest.str(), digest);
  const auto index = parse_manifest(fmt::format(R"({{"manifests":[{0}]}})", descriptor));
  ASSERT_TRUE(std::holds_alternative<ImageIndex>(index));
  EXPECT_EQ(std::get<ImageIndex>(index).manifests.at(0).platform->str(), "linux/arm64/v8");
  EXPECT_THAT(message_of([&] { parse_manifest(fmt::format(R"({{"manifests":[{0}],"config":{0},"layers":[{0}]}})", descriptor)); }),
              HasSubstr("both"));
  EXPECT_THAT(message_of([] { parse_manifest("{}"); }), HasSubstr("neither"));
  EXPECT_NE(message_of([&] { parse_manifest(fmt::format(R"({{"config":{0}}})", descriptor)); }), "");
  EXPECT_NE(message_of([&] { parse_manifest(fmt::format(R"({{"config":{{"digest":"{}","size":-1}},"layers":[]}})", digest)); }), "");
}

TEST(Platform, ParsesDockersWritings) {
  EXPECT_EQ(Platform::parse("linux/amd64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("Linux/x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64").str(), "linux/arm64/v8");
  EXPECT_EQ(Platform::parse("linux/arm/v7").str(), "linux/arm/v7");
  EXPECT_EQ(Platform::parse("arm64").architecture, "arm64");
  EXPECT_EQ(Platform::parse("windows").os, "windows");
  EXPECT_EQ(Platform::parse("").str(), Platform::host().str());
  for (const char* bad : {"/", "linux/", "a/b/c/d", "lin ux/amd64", "linux/../x"})
    EXPECT_NE(message_of([&] { Platform::parse(bad); }), "") << bad;
  EXPECT_TRUE(runs_on(Platform::parse("linux/arm64"), {"linux", "arm64", "v8"}));
  EXPECT_FALSE(runs_on(Platform::parse("linux/arm/v7"), {"linux", "arm64", "v8"}));
}

}  // namespace
}  // namespace sockerless::oci
