#include "backends/local/volume_driver.hpp"

#include <filesystem>

#include "backends/local/volume_mounts.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

constexpr fs::perms kFolderMode =
    fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec;

class FolderVolumes final : public VolumeDriver {
 public:
  FolderVolumes(BlockingPool& pool, std::string directory) : pool_(pool), directory_(std::move(directory)) {
    fs::create_directories(directory_);
    fs::permissions(directory_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  }

  Task<std::string> create(std::string name, std::map<std::string, std::string> options) override {
    try {
      check_volume_options(options);
    } catch (const Error& error) {
      throw Error::invalid_argument("create {}: {}", name, error.message());
    }
    const std::string folder = folder_of(name);
    const std::string data = folder + "/_data";
    co_await run_blocking(pool_, [&] {
      std::error_code error;
      if (fs::is_directory(data, error)) return;
      fs::create_directories(data, error);
      if (!error) fs::permissions(data, kFolderMode, error);  // whatever the daemon's umask
      if (error) throw Error::unavailable("cannot make the volume's directory {}: {}", data, error.message());
      if (!options.empty()) blocking_store_volume_options(folder, options);
    });
    co_return data;
  }

  Task<void> remove(std::string name) override {
    const std::string folder = folder_of(name);
    co_await run_blocking(pool_, [&folder] {
      std::error_code error;
      blocking_unmount_volume(folder);  // before anything is deleted: what is mounted there is not the volume's own
      fs::remove_all(folder, error);
      if (error) throw Error::unavailable("cannot remove the volume's directory {}: {}", folder, error.message());
    });
  }

  Task<std::int64_t> size(std::string name) override {
    const std::string folder = folder_of(name);
    co_return co_await run_blocking(pool_, [&folder] {
      // What lies behind options belongs to somebody else, and may be far away.
      return blocking_volume_options(folder).empty() ? blocking_size(folder + "/_data") : -1;
    });
  }

 private:
  /// The engine has checked the name; that it stays one path component is a matter of this folder's safety.
  std::string folder_of(const std::string& name) const {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
      throw Error::invalid_argument("invalid volume name: {}", name);
    return directory_ + "/" + name;
  }

  static std::int64_t blocking_size(const std::string& folder) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) return -1;
    std::int64_t size = 0;
    for (const auto& file : fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error)) {
      if (file.is_symlink(error) || !file.is_regular_file(error)) continue;
      size += static_cast<std::int64_t>(file.file_size(error));
    }
    return size;
  }

  BlockingPool& pool_;
  const std::string directory_;
};

}  // namespace

std::unique_ptr<VolumeDriver> make_volume_driver(BlockingPool& pool, std::string directory) {
  return std::make_unique<FolderVolumes>(pool, std::move(directory));
}

}  // namespace sockerless::local
