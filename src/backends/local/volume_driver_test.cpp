#include "backends/local/volume_driver.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "backends/local/volume_copy.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

namespace fs = std::filesystem;

class LocalVolumes : public testing::Test {
 protected:
  LocalVolumes() {
    std::string pattern = fs::temp_directory_path() / "sockerless-volumes-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    volumes_ = make_volume_driver(pool_, folder_ + "/volumes");
  }
  ~LocalVolumes() override { fs::remove_all(folder_); }

  std::string folder_;
  BlockingPool pool_{1};
  std::unique_ptr<VolumeDriver> volumes_;
};

TEST_F(LocalVolumes, AVolumeIsAFolderThatKeepsWhatIsInIt) {
  const std::string data = run(volumes_->create("db", {}));
  EXPECT_EQ(data, folder_ + "/volumes/db/_data");
  std::ofstream(data + "/file") << "12345";
  EXPECT_EQ(run(volumes_->create("db", {})), data);
  EXPECT_EQ(run(volumes_->size("db")), 5);
  run(volumes_->remove("db"));
  EXPECT_FALSE(fs::exists(folder_ + "/volumes/db"));
  run(volumes_->remove("db"));
  EXPECT_EQ(run(volumes_->size("db")), -1);
}

TEST_F(LocalVolumes, ANameThatWouldLeaveTheFolderIsRefused) {
  for (const char* name : {"", "..", "../x", "a/b", ".hidden"}) EXPECT_THROW(run(volumes_->create(name, {})), Error) << name;
}

TEST_F(LocalVolumes, OptionsAreNotSilentlyIgnored) {
  try {
    run(volumes_->create("nfs", {{"type", "nfs"}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_implemented);
  }
}

TEST_F(LocalVolumes, CopyUpKeepsLinksModesAndStaysInside) {
  const std::string root = folder_ + "/root";
  fs::create_directories(root + "/data/sub");
  std::ofstream(folder_ + "/outside") << "secret";
  std::ofstream(root + "/data/sub/file") << "text";
  ::chmod((root + "/data/sub").c_str(), 01770);
  fs::create_symlink(folder_ + "/outside", root + "/data/link");
  fs::create_symlink("/data", root + "/alias");
  fs::create_symlink("../../..", root + "/up");
  fs::create_directories(folder_ + "/volume");
  blocking_copy_up(root, "/alias", folder_ + "/volume");
  EXPECT_TRUE(fs::is_symlink(folder_ + "/volume/link"));
  EXPECT_TRUE(fs::exists(folder_ + "/volume/sub/file"));
  struct stat status{};
  ASSERT_EQ(::stat((folder_ + "/volume/sub").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 01770U);

  fs::create_directories(folder_ + "/second");
  blocking_copy_up(root, "/up/up", folder_ + "/second");
  EXPECT_FALSE(fs::exists(folder_ + "/second/outside")) << "a link in the path left the root";
  blocking_make_folder_in_root(root, "/up/made/here");
  EXPECT_TRUE(fs::is_directory(root + "/made/here"));
}

}  // namespace
}  // namespace sockerless::local
