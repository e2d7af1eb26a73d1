#include "backends/local/image_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

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

const std::string kLayer1 = TarBuilder().file("one", "1").file("both", "lower").finish();                       // NOLINT(cert-err58-cpp)
const std::string kLayer2 = TarBuilder().file("two", "22").file("both", "upper").file(".wh.one", "").finish();  // NOLINT(cert-err58-cpp)

oci::Digest digest_of(std::string_view bytes) { return oci::Digest::of(bytes); }

class ImageStoreTest : public testing::Test {
 protected:
  std::string root() const { return temp_ / "images"; }
  void open() { store_ = ImageStore::blocking_open(root()); }
  void SetUp() override { open(); }

  /// Adds an image of these layers. @return its id.
  std::string add(const std::vector<std::string>& layers, const std::string& config = "{}") {
    ImageStore::Addition addition(*store_);
    for (const auto& layer : layers) addition.blocking_add_layer(blob_of(layer), digest_of(layer), std::nullopt);
    std::vector<oci::ImageDocument> documents;
    documents.push_back(oci::ImageDocument::parse(make_config(layers, config)));
    return addition.blocking_commit(documents).front().document.id().str();
  }
  std::size_t count(std::string_view folder) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(fs::path(root()) / folder), fs::directory_iterator()));
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> list;
    for (const auto& image : store_->blocking_list()) list.push_back(image.document.id().str());
    return list;
  }

  TempDir temp_;
  std::shared_ptr<ImageStore> store_;
};

TEST_F(ImageStoreTest, AnImageIsThereAgainAfterAnotherStart) {
  const std::string id = add({kLayer1, kLayer2});
  EXPECT_EQ(id, digest_of(make_config({kLayer1, kLayer2}, "{}")).str());
  open();
  const auto images = store_->blocking_list();
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].document.raw, make_config({kLayer1, kLayer2}, "{}"));
  EXPECT_THAT(images[0].layer_sizes, ElementsAre(6, 7));
}

TEST_F(ImageStoreTest, LayerFoldersMountAsOverlay) {
  const auto folders = store_->blocking_layer_folders(add({kLayer1, kLayer2, kLayer1}));
  ASSERT_THAT(folders, SizeIs(2)) << "overlayfs refuses a folder that is named twice";
  const std::string merged = temp_ / "merged";
  fs::create_directory(merged);
  const std::string options = "lowerdir=" + folders[0] + ":" + folders[1];
  ASSERT_EQ(::mount("overlay", merged.c_str(), "overlay", MS_RDONLY, options.c_str()), 0) << ::strerror(errno);
  EXPECT_EQ(read_file(merged + "/both"), "lower");
  EXPECT_EQ(read_file(merged + "/one"), "1");
  EXPECT_EQ(read_file(merged + "/two"), "22");
  ::umount2(merged.c_str(), MNT_DETACH);

  const auto two = store_->blocking_layer_folders(add({kLayer1, kLayer2}));
  const std::string lower = "lowerdir=" + two[0] + ":" + two[1];
  ASSERT_EQ(::mount("overlay", merged.c_str(), "overlay", MS_RDONLY, lower.c_str()), 0) << ::strerror(errno);
  EXPECT_FALSE(fs::exists(merged + "/one"));
  EXPECT_EQ(read_file(merged + "/both"), "upper");
  ::umount2(merged.c_str(), MNT_DETACH);
}

TEST_F(ImageStoreTest, SharedLayersStayUntilTheLastImageGoes) {
  const std::string one = add({kLayer1});
  const std::string both = add({kLayer1, kLayer2});
  EXPECT_EQ(count("layers"), 2U);
  const std::string chain = digest_of(digest_of(kLayer1).str() + " " + digest_of(kLayer2).str()).str();
  EXPECT_THAT(store_->blocking_remove(both), ElementsAre(chain));
  EXPECT_EQ(count("layers"), 1U);
  EXPECT_THAT(ids(), ElementsAre(one));
  EXPECT_THAT(store_->blocking_remove(one), ElementsAre(digest_of(kLayer1).str()));
  EXPECT_EQ(count("layers"), 0U);
  EXPECT_EQ(count("images"), 0U);
  EXPECT_EQ(count("staging"), 0U);
  EXPECT_THAT(message_of([&] { store_->blocking_remove(one); }), HasSubstr("No such image: " + one));
  EXPECT_THAT(message_of([&] { store_->blocking_layer_folders(one); }), HasSubstr("No such image"));
}

TEST_F(ImageStoreTest, WhatIsNotCommittedGoesAgain) {
  const std::string kept = add({kLayer1});
  {
    ImageStore::Addition addition(*store_);
    addition.blocking_add_layer(blob_of(kLayer1), digest_of(kLayer1), std::nullopt);
    addition.blocking_add_layer(blob_of(kLayer2), digest_of(kLayer2), std::nullopt);
    EXPECT_EQ(count("layers"), 2U);
  }
  EXPECT_EQ(count("layers"), 1U);
  EXPECT_THAT(ids(), ElementsAre(kept));
}

TEST_F(ImageStoreTest, AnAdditionKeepsItsLayersFromBeingRemovedByOthers) {
  const std::string first = add({kLayer1});
  ImageStore::Addition addition(*store_);
  addition.blocking_add_layer(blob_of(kLayer1), digest_of(kLayer1), std::nullopt);
  EXPECT_THAT(store_->blocking_remove(first), IsEmpty());
  std::vector<oci::ImageDocument> documents;
  documents.push_back(oci::ImageDocument::parse(make_config({kLayer1}, R"({"Cmd":["other"]})")));
  const std::string second = addition.blocking_commit(documents).front().document.id().str();
  EXPECT_EQ(read_file(store_->blocking_layer_folders(second).at(0) + "/one"), "1");
}

TEST_F(ImageStoreTest, AWrongLayerLeavesNothing) {
  ImageStore::Addition addition(*store_);
  EXPECT_THAT(message_of([&] { addition.blocking_add_layer(blob_of(kLayer1), digest_of(kLayer2), std::nullopt); }),
              HasSubstr("invalid diffID"));
  const std::string gzip = compress(kLayer1, "gzip");
  EXPECT_THAT(message_of([&] { addition.blocking_add_layer(blob_of(gzip), digest_of(kLayer1), digest_of("x")); }),
              HasSubstr("than its digest says"));
  EXPECT_NE(message_of([&] { addition.blocking_add_layer(blob_of(kLayer1.substr(0, 700)), std::nullopt, std::nullopt); }), "");
  EXPECT_EQ(count("layers"), 0U);
  EXPECT_EQ(count("staging"), 0U);
  EXPECT_EQ(addition.blocking_add_layer(blob_of(gzip), digest_of(kLayer1), digest_of(gzip)).diff_id, digest_of(kLayer1));
  EXPECT_FALSE(addition.blocking_add_layer(blob_of(gzip), digest_of(kLayer1), std::nullopt).is_new);
}

TEST_F(ImageStoreTest, AStartRemovesTheRemainsOfInterruptedWork) {
  const std::string id = add({kLayer1});
  fs::create_directories(fs::path(root()) / "staging/half/diff/deep");
  const std::string unnamed = digest_of(kLayer2).hex();
  fs::create_directories(fs::path(root()) / "layers" / unnamed / "diff");  // placed, but its image never was
  std::ofstream(fs::path(root()) / "layers" / unnamed / "size") << "7";
  fs::create_directories(fs::path(root()) / "layers" / digest_of("no size").hex());
  std::ofstream(fs::path(root()) / "images" / digest_of("x").hex()) << "not this image";
  open();
  EXPECT_EQ(count("staging"), 0U);
  EXPECT_EQ(count("layers"), 1U);
  EXPECT_THAT(ids(), ElementsAre(id));
}

TEST_F(ImageStoreTest, AnImageWithoutItsLayerIsNotListed) {
  add({kLayer1, kLayer2});
  fs::remove_all(fs::path(root()) / "layers" / digest_of(kLayer2).hex());
  open();
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(ImageStoreTest, AHeldImageKeepsItsLayersAfterItsRemoval) {
  const std::string id = add({kLayer1});
  store_->blocking_hold("c1", id);
  store_->blocking_hold("c2", id);
  EXPECT_THAT(store_->blocking_remove(id), IsEmpty());
  EXPECT_THAT(ids(), IsEmpty());
  open();
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_THAT(store_->holds(), ElementsAre("c1", "c2"));
  EXPECT_EQ(read_file(store_->blocking_layer_folders(id).at(0) + "/one"), "1");
  store_->blocking_release("c1");
  EXPECT_THAT(store_->blocking_layer_folders(id), SizeIs(1));
  store_->blocking_release("c2");
  store_->blocking_release("c2");
  EXPECT_EQ(count("layers"), 0U);
  EXPECT_EQ(count("removed"), 0U);
  EXPECT_THAT(message_of([&] { store_->blocking_hold("c3", id); }), HasSubstr("No such image"));
  EXPECT_THAT(message_of([&] { store_->blocking_hold("../c", id); }), HasSubstr("invalid name"));
}

TEST_F(ImageStoreTest, AFullDiskIsAnErrorAndNoHalfImage) {
  const std::string small = temp_ / "small";
  fs::create_directory(small);
  ASSERT_EQ(::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m"), 0) << ::strerror(errno);
  {
    const auto store = ImageStore::blocking_open(small + "/images");
    const auto try_to_add = [&](const std::string& layer) {
      return message_of([&] {
        ImageStore::Addition addition(*store);
        addition.blocking_add_layer(blob_of(kLayer1), digest_of(kLayer1), std::nullopt);
        addition.blocking_add_layer(blob_of(layer), std::nullopt, std::nullopt);
        std::vector<oci::ImageDocument> documents;
        documents.push_back(oci::ImageDocument::parse(make_config({kLayer1, layer})));
        addition.blocking_commit(documents);
      });
    };
    EXPECT_THAT(try_to_add(TarBuilder().file("big", std::string(3'000'000, 'x')).finish()), HasSubstr("No space left on device"));
    EXPECT_THAT(store->blocking_list(), IsEmpty());
    for (const char* folder : {"images", "layers", "staging"}) EXPECT_TRUE(fs::is_empty(fs::path(small) / "images" / folder)) << folder;
    EXPECT_EQ(try_to_add(TarBuilder().file("fits", std::string(300'000, 'x')).finish()), "");
    EXPECT_THAT(store->blocking_list(), SizeIs(1));
  }
  ::umount2(small.c_str(), MNT_DETACH);
}

TEST_F(ImageStoreTest, KilledAtAnyMomentItHoldsWholeImagesOnly) {
  const std::string big = TarBuilder().file("a", std::string(400'000, 'a')).file("b", std::string(400'000, 'b')).finish();
  store_.reset();
  for (int attempt = 0; attempt < 25; ++attempt) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {  // adds and removes images until it is killed
      open();
      for (;;) {
        const std::string id = add({kLayer1, big});
        add({kLayer2, big});
        store_->blocking_remove(id);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + attempt * 1700));  // the moment of death, not a synchronisation
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    open();
    std::set<std::string> named;
    for (const auto& image : store_->blocking_list()) {
      for (const auto& folder : store_->blocking_layer_folders(image.document.id().str())) named.insert(folder);
      EXPECT_EQ(read_file(store_->blocking_layer_folders(image.document.id().str()).at(0) + "/b").size(), 400'000U);
    }
    EXPECT_EQ(count("layers"), named.size());
    EXPECT_EQ(count("staging"), 0U);
    store_.reset();
  }
}

}  // namespace
}  // namespace sockerless::local
