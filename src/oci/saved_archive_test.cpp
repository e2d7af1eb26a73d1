#include "oci/saved_archive.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/archive.hpp"
#include "oci/image_fixtures.hpp"
#include "oci/layer.hpp"
#include "oci/tar_split.hpp"
#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace testing_support;  // NOLINT(google-build-using-namespace)

std::string drain(BlockingSource& source) {
  std::string text;
  std::array<char, 5000> buffer{};
  while (const std::size_t count = source.blocking_read(std::as_writable_bytes(std::span(buffer)))) text.append(buffer.data(), count);
  return text;
}

/// Unpacks a tar and gives it back from its tree and its record.
class Split : public testing::Test {
 protected:
  AppliedLayer unpack(const std::string& tar) {
    record_ = std::make_shared<UniqueFd>(blocking_open((temp_ / "record").string(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    blocking_remove_tree(AT_FDCWD, temp_ / "root");
    std::filesystem::create_directory(temp_ / "root");
    MemorySource source(tar);
    LayerOptions options;
    options.tar_split_file = record_->get();
    return blocking_apply_layer(tree(), source, options);
  }
  std::string give_back(const Digest& diff_id) {
    const auto source = blocking_open_tar_split(Blob::whole(record_), tree(), diff_id);
    return drain(*source);
  }
  RootedDir tree() { return RootedDir::blocking_open((temp_ / "root").string()); }

  TempDir temp_;
  std::shared_ptr<UniqueFd> record_;
};

TEST_F(Split, GivesTheSameTarBack) {
  const std::string big(1'000'000, 'b');
  const std::string tar = TarBuilder()
                              .directory("d")
                              .file("d/empty", "")
                              .file("d/big", big)
                              .file(std::string(150, 'n'), "long")
                              .symlink("l", "d")
                              .file("l/through", "a link")
                              .hard_link("h", "d/big")
                              .file(".wh.gone", "")
                              .finish() +
                          std::string(5000, '\0') + "trailing bytes";
  const AppliedLayer layer = unpack(tar);
  EXPECT_TRUE(layer.has_tar_split);
  EXPECT_EQ(give_back(layer.diff_id), tar);
  EXPECT_LT(Blob::whole(record_).size, 2000U);
}

TEST_F(Split, AnEmptyLayerToo) {
  EXPECT_EQ(give_back(unpack("").diff_id), "");
  const std::string end(1024, '\0');
  EXPECT_EQ(give_back(unpack(end).diff_id), end);
}

TEST_F(Split, ANameWrittenTwiceCannotBeGivenBack) {
  EXPECT_FALSE(unpack(TarBuilder().file("f", "first").file("f", "second").finish()).has_tar_split);
  EXPECT_FALSE(unpack(TarBuilder().directory("d").file("d/f", "x").symlink("d", "e").finish()).has_tar_split);
  EXPECT_TRUE(unpack(TarBuilder().directory("d").directory("d").finish()).has_tar_split);
}

TEST_F(Split, AChangedTreeIsAnErrorAndNeverAnotherTar) {
  const AppliedLayer layer = unpack(TarBuilder().file("f", "content").finish());
  std::ofstream(temp_ / "root/f") << "changed";
  EXPECT_THAT(message_of([&] { give_back(layer.diff_id); }), HasSubstr("its files have changed"));
  std::ofstream(temp_ / "root/f") << "short";
  EXPECT_THAT(message_of([&] { give_back(layer.diff_id); }), HasSubstr("cut short"));
  std::filesystem::remove(temp_ / "root/f");
  EXPECT_THAT(message_of([&] { give_back(layer.diff_id); }), HasSubstr("No such file"));
}

TEST(SavedArchive, IsReadAgainInBothItsForms) {
  const std::string one = TarBuilder().file("one", "1").finish();
  const std::string two = TarBuilder().file("two", std::string(1000, '2')).finish() + "odd length";
  const auto image = [](const std::vector<std::string>& layers, std::vector<std::string> names) {
    SavedImage saved{ImageDocument::parse(make_config(layers)), {}, std::move(names)};
    for (const auto& layer : layers) {
      saved.layers.push_back(
          {Digest::of(std::string_view(layer)), layer.size(), [layer] { return std::make_unique<MemorySource>(layer); }});
    }
    return saved;
  };
  std::vector<SavedImage> images;
  images.push_back(image({one, two}, {"busybox:latest", "x.io/y:1"}));
  images.push_back(image({one}, {}));
  const auto source = make_saved_archive(std::move(images));
  const std::string archive = drain(*source);

  const auto check = [&](const std::vector<ArchivedImage>& read, std::string_view busybox) {
    ASSERT_THAT(read, SizeIs(2));
    EXPECT_EQ(read[0].document.raw, make_config({one, two}));
    EXPECT_THAT(read[0].references, ElementsAre(busybox, "x.io/y:1"));
    EXPECT_EQ(read[0].layers[1].content.blocking_read_all(1UL << 20), two);
    EXPECT_THAT(read[1].references, IsEmpty());
    EXPECT_EQ(read[1].layers[0].content.blocking_read_all(1UL << 20), one);
  };
  const std::string spool = std::filesystem::temp_directory_path();
  check(blocking_read_archive(blob_of(archive), spool), "busybox:latest");
  MemorySource bytes(archive);  // without manifest.json it is an OCI layout
  TarReader reader(bytes);
  TarBuilder rebuilt;
  while (const auto entry = reader.blocking_next()) {
    std::string content(entry->size, '\0');
    for (std::size_t done = 0; done < content.size();)
      done += reader.blocking_read(std::as_writable_bytes(std::span(content)).subspan(done));
    if (entry->type == TarEntry::Type::file && entry->name != "manifest.json") rebuilt.file(entry->name, content);
  }
  check(blocking_read_archive(blob_of(rebuilt.finish()), spool), "docker.io/library/busybox:latest");
}

}  // namespace
}  // namespace sockerless::oci
