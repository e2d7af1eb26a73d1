#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/image_store.hpp"
#include "oci/image_fixtures.hpp"
#include "oci/test_support.hpp"

namespace sockerless::local {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using namespace oci::testing_support;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

TEST(ImageStoreThreads, ImagesThatShareLayersComeAndGoAtOnce) {
  TempDir temp;
  const auto store = ImageStore::blocking_open(temp / "images");
  const std::string shared = TarBuilder().file("shared", std::string(10'000, 's')).finish();
  std::atomic<int> failures = 0;
  const auto work = [&](int worker) {
    const std::string own = TarBuilder().file("own", std::to_string(worker)).finish();
    const std::string hold = "c" + std::to_string(worker);
    for (int round = 0; round < 20; ++round) {
      try {
        std::string id;
        {
          ImageStore::Addition addition(*store);
          for (const auto& layer : {shared, own})
            addition.blocking_add_layer(blob_of(layer), oci::Digest::of(std::string_view(layer)), std::nullopt);
          std::vector<oci::ImageDocument> documents;
          documents.push_back(oci::ImageDocument::parse(make_config({shared, own})));
          id = addition.blocking_commit(documents).front().document.id().str();
        }
        store->blocking_hold(hold, id);
        store->blocking_remove(id);
        const auto folders = store->blocking_layer_folders(id);
        if (read_file(folders.at(0) + "/own") != std::to_string(worker) || read_file(folders.at(1) + "/shared").size() != 10'000)
          ++failures;
        store->blocking_release(hold);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int worker = 0; worker < 4; ++worker) threads.emplace_back(work, worker);
  threads.clear();
  EXPECT_EQ(failures, 0);
  EXPECT_THAT(store->blocking_list(), IsEmpty());
  EXPECT_THAT(store->holds(), IsEmpty());
  for (const char* folder : {"images", "removed", "layers", "staging"}) EXPECT_TRUE(fs::is_empty(temp / "images" / folder)) << folder;
}

}  // namespace
}  // namespace sockerless::local
