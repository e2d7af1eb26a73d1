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
      const bool is_new = fs::create_directories(folder, error);
      try {
        // The options first, also those of what a daemon before this one left half made: a data folder without them would be a plain one.
        if (!error) blocking_store_volume_options(folder, options);
        if (!error) blocking_make_data(data, error);
        if (error) throw Error::unavailable("cannot make the volume's directory {}: {}", data, error.message());
      } catch (const Error&) {
        if (is_new) fs::remove_all(folder, error);
        throw;
      }
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

  static void blocking_make_data(const std::string& data, std::error_code& error) {
    if (fs::create_directory(data, error)) fs::permissions(data, kFolderMode, error);  // whatever the daemon's umask
  }

  static std::int64_t blocking_size(const std::string& folder) {
    std::error_code error;
    return fs::is_directory(folder, error) ? blocking_size_of_files(folder) : -1;
  }

  BlockingPool& pool_;
  const std::string directory_;
};

}  // namespace

std::int64_t blocking_size_of_files(const std::string& folder) {
  std::int64_t size = 0;
  std::error_code error;
  fs::recursive_directory_iterator files(folder, fs::directory_options::skip_permission_denied, error);
  for (; files != fs::recursive_directory_iterator(); files.increment(error)) {
    std::error_code gone;
    if (files->is_symlink(gone) || !files->is_regular_file(gone)) continue;
    const auto bytes = files->file_size(gone);
    if (!gone) size += static_cast<std::int64_t>(bytes);
  }
  return size;
}

std::unique_ptr<VolumeDriver> make_volume_driver(BlockingPool& pool, std::string directory) {
  return std::make_unique<FolderVolumes>(pool, std::move(directory));
}

}  // namespace sockerless::local
