#include "backends/local/volume_driver.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "backends/local/volume_copy.hpp"
#include "backends/local/volume_mounts.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

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

std::string refusal(const VolumeOptions& options) {
  try {
    check_volume_options(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "";
}

TEST_F(LocalVolumes, OptionsAreThoseOfTheLocalDriver) {
  EXPECT_EQ(refusal({{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m"}}), "");
  EXPECT_EQ(refusal({{"foo", "bar"}}), "invalid option: \"foo\"");
  EXPECT_EQ(refusal({{"type", "nfs"}}), "missing required option: \"device\"");
  EXPECT_EQ(refusal({{"device", "/x"}}), "missing required option: \"type\"");
  EXPECT_EQ(refusal({{"o", "size=1m"}}), "missing required option: \"device\"");
  EXPECT_EQ(refusal({{"size", "1m"}}), "quota size requested but no quota support");
  try {
    run(volumes_->create("db", {{"foo", "bar"}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "create db: invalid option: \"foo\"");
  }
  EXPECT_FALSE(fs::exists(folder_ + "/volumes/db"));
}

TEST_F(LocalVolumes, WhatWasLeftHalfMadeGetsTheOptionsOfItsVolume) {
  const std::string folder = folder_ + "/volumes/db";
  fs::create_directories(folder + "/_data");
  const VolumeOptions options{{"type", "tmpfs"}, {"device", "tmpfs"}};
  run(volumes_->create("db", options));
  EXPECT_EQ(blocking_volume_options(folder), options);
  run(volumes_->create("db", {}));
  EXPECT_TRUE(blocking_volume_options(folder).empty());
}

TEST_F(LocalVolumes, WhatMayWaitForAFileServerLeavesThePoolAlone) {
  run(volumes_->create("plain", {}));
  run(volumes_->create("far", {{"type", "nfs"}, {"device", ":/x"}, {"o", "addr=192.0.2.1"}}));
  MountSpec mount;
  mount.kind = MountSpec::Kind::volume;
  mount.volume_name = "plain";
  EXPECT_FALSE(run(has_volumes_with_options(pool_, folder_ + "/volumes", {mount})));
  mount.volume_name = "far";
  EXPECT_TRUE(run(has_volumes_with_options(pool_, folder_ + "/volumes", {mount})));

  const auto thread = [] { return std::this_thread::get_id(); };
  const auto of_pool = run(run_blocking(pool_, thread));
  EXPECT_EQ(run(run_blocking_with_volumes(pool_, false, thread)), of_pool);
  EXPECT_NE(run(run_blocking_with_volumes(pool_, true, thread)), of_pool);
}

TEST_F(LocalVolumes, MountOptionsAreFlagsAndTheFileSystemsOwn) {
  const auto parsed = parse_mount_options("rbind,ro,size=1m,noexec,exec,,addr=1.2.3.4");
  EXPECT_EQ(parsed.flags, static_cast<unsigned long>(MS_BIND | MS_REC | MS_RDONLY));
  EXPECT_EQ(parsed.data, "size=1m,addr=1.2.3.4");
}

class LocalVolumeMounts : public LocalVolumes {
 protected:
  ~LocalVolumeMounts() override { blocking_unmount_volume(folder_ + "/volumes/v"); }

  static WorkloadSpec user_of(const std::string& volume) {
    WorkloadSpec spec{.id = ContainerId::parse(system_random().hex64()),
                      .name = "test",
                      .image_id = "sha256:x",
                      .arguments = {"x"},
                      .config = {},
                      .host_config = {},
                      .mounts = {},
                      .network_mode = "none"};
    MountSpec mount;
    mount.kind = MountSpec::Kind::volume;
    mount.volume_name = volume;
    spec.mounts.push_back(std::move(mount));
    return spec;
  }
};

TEST_F(LocalVolumeMounts, AVolumeIsMountedForTheFirstUserUntilTheLast) {
  fs::create_directories(folder_ + "/source");
  std::ofstream(folder_ + "/source/file") << "text";
  const std::string data = run(volumes_->create("v", {{"type", "none"}, {"device", folder_ + "/source"}, {"o", "bind"}}));
  VolumeMounts mounts(folder_ + "/volumes");
  const auto one = user_of("v");
  const auto two = user_of("v");
  mounts.blocking_use(one);
  mounts.blocking_use(two);
  EXPECT_TRUE(fs::exists(data + "/file"));
  mounts.blocking_release(one.id);
  EXPECT_TRUE(fs::exists(data + "/file"));
  mounts.blocking_release(two.id);
  EXPECT_FALSE(fs::exists(data + "/file"));
}

TEST_F(LocalVolumeMounts, ANextDaemonUnmountsWhatNobodyUsesAndRemovalSparesTheSource) {
  fs::create_directories(folder_ + "/source");
  std::ofstream(folder_ + "/source/file") << "text";
  const std::string data = run(volumes_->create("v", {{"type", "none"}, {"device", folder_ + "/source"}, {"o", "bind"}}));
  const auto lost = user_of("v");
  const auto kept = user_of("v");
  VolumeMounts(folder_ + "/volumes").blocking_use(lost);
  VolumeMounts(folder_ + "/volumes").blocking_use(kept);
  VolumeMounts(folder_ + "/volumes").blocking_restore({kept.id});
  EXPECT_TRUE(fs::exists(data + "/file"));
  VolumeMounts(folder_ + "/volumes").blocking_restore({});
  EXPECT_FALSE(fs::exists(data + "/file"));

  VolumeMounts(folder_ + "/volumes").blocking_use(kept);
  ASSERT_TRUE(fs::exists(data + "/file"));
  run(volumes_->remove("v"));
  EXPECT_FALSE(fs::exists(folder_ + "/volumes/v"));
  EXPECT_TRUE(fs::exists(folder_ + "/source/file")) << "removing the volume deleted what it stood for";
}

TEST_F(LocalVolumeMounts, AMountThatFailsIsToldInDockersWordsAndLeavesNoUser) {
  const std::string data = run(volumes_->create("v", {{"type", "none"}, {"device", "/no/such/folder"}, {"o", "bind"}}));
  VolumeMounts mounts(folder_ + "/volumes");
  try {
    mounts.blocking_use(user_of("v"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "error while mounting volume '" + data + "': failed to mount local volume: mount /no/such/folder:" + data +
                                   ", flags: 0x1000: no such file or directory");
  }
  EXPECT_TRUE(fs::is_empty(folder_ + "/volumes/v/users"));
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
