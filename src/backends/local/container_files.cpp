#include "backends/local/container_files.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "backends/local/container_view.hpp"
#include "backends/local/init_layer.hpp"
#include "backends/local/layer_changes.hpp"
#include "backends/local/mount_sources.hpp"
#include "backends/local/user_lookup.hpp"
#include "backends/local/volume_mounts.hpp"
#include "base/error.hpp"
#include "engine/drivers.hpp"
#include "oci/feed.hpp"
#include "oci/layer.hpp"
#include "oci/rooted_dir.hpp"
#include "oci/spool.hpp"
#include "oci/tree_archive.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

std::string below_root(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

UniqueFd duplicate(const UniqueFd& fd) {
  UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) throw from_errno(errno, "duplicate a descriptor");
  return copy;
}

class LocalContainerFiles final : public ContainerFiles {
 public:
  LocalContainerFiles(BlockingPool& pool, ContainerView view)
      : pool_(pool), view_(std::make_unique<ContainerView>(std::move(view))), root_(duplicate(view_->root)) {}

  /// Unmounting may sync a file system.
  ~LocalContainerFiles() override {
    if (!view_) return;
    asio::post(pool_.executor(), [view = std::move(view_), root = std::move(root_), held = std::move(held_)]() mutable {
      root = oci::RootedDir(UniqueFd());
      view.reset();
      held.reset();
    });
  }
  LocalContainerFiles(const LocalContainerFiles&) = delete;
  LocalContainerFiles& operator=(const LocalContainerFiles&) = delete;

  Task<std::string> follow_links(std::string path) override {
    co_return co_await run_blocking(pool_, [this, &path] { return oci::blocking_follow_links(root_, path); });
  }

  Task<FileStat> stat(std::string path) override {
    co_return co_await run_blocking(pool_, [this, &path] {
      const UniqueFd found = root_.open(below_root(path), O_PATH | O_NOFOLLOW);
      struct stat status{};
      if (!found && errno == ENOENT) throw Error::not_found("no such file or directory: {}", path);
      if (!found && errno == ENOTDIR) throw Error::internal("lstat {}: not a directory", path);
      if (!found || ::fstat(found.get(), &status) != 0) throw from_errno(errno, "lstat " + path);
      const auto since_epoch = std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
      return FileStat{status.st_size, status.st_mode, TimePoint(since_epoch)};
    });
  }

  Task<std::unique_ptr<ByteSource>> read(std::string path, std::string name) override {
    co_return oci::make_byte_source(pool_, oci::make_tree_archive(another_root(), {.path = below_root(path), .name = std::move(name)}));
  }

  Task<std::unique_ptr<ByteSource>> read_all() override {
    co_return oci::make_byte_source(pool_, oci::make_tree_archive(another_root(), {.path = ".", .name = "", .contents_only = true}));
  }

  Task<void> write(std::string folder, WriteFilesOptions options, std::unique_ptr<ByteSource> tar) override {
    // The work ends before this does, so it may use what is here.
    co_await oci::feed(std::move(tar), [this, &folder, &options](oci::BlockingSource& source) {
      oci::UnpackOptions how{.folder = below_root(folder), .keep_kinds = options.keep_kinds, .owner = {}};
      if (!options.owner.empty()) {
        const ContainerUser user = blocking_find_user(fmt::format("/proc/self/fd/{}", root_.fd()), options.owner, {});
        how.owner = oci::UnpackOptions::Owner{user.uid, user.gid};
      }
      try {
        oci::blocking_unpack_tar(root_, source, how);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) throw;
        throw Error(error.code(), "Error processing tar file(exit status 1): " + error.message(), error.detail());
      }
    });
  }

  Task<void> close() override {
    co_await run_blocking(pool_, [this] {
      root_ = oci::RootedDir(UniqueFd());
      view_.reset();
    });
    held_.reset();
  }

  void keep(std::shared_ptr<void> held) override { held_ = std::move(held); }

 private:
  oci::RootedDir another_root() const { return oci::RootedDir(duplicate(view_->root)); }

  BlockingPool& pool_;
  std::unique_ptr<ContainerView> view_;  // null: closed
  oci::RootedDir root_;
  std::shared_ptr<void> held_;  // goes after the view, on whatever thread that ends
};

/// What the mounts stand on, mounted in the calling thread's namespace: volumes with options, parts of volumes, images.
std::vector<MountSpec> blocking_sources_in_view(const WorkloadSpec& spec, const std::string& directory, const FileHost& host) {
  for (const MountSpec& mount : spec.mounts) {
    if (mount.kind == MountSpec::Kind::volume && !mount.volume_name.empty())
      blocking_mount_volume(fmt::format("{}/{}", host.volumes, mount.volume_name));
  }
  if (std::ranges::none_of(spec.mounts, needs_helper_mount)) return spec.mounts;
  const std::string helpers = fmt::format("{}/{}", directory, kHelperMounts);
  fs::create_directories(helpers);
  // Covered, so that the folders to mount on do not stay in the container's directory either.
  if (::mount("tmpfs", helpers.c_str(), "tmpfs", 0, "mode=0700") != 0) throw from_errno(errno, "mount a file system at " + helpers);
  return blocking_mount_sources(spec.mounts, directory, *host.layers);
}

/// A stopped container's mounts: volumes and binds, then the three network files where it has them. tmpfs mounts are empty then.
/// Mounts what they stand on in the calling thread's namespace.
std::vector<ViewMount> blocking_mounts_of(const WorkloadSpec& spec, const std::string& directory, const FileHost& host) {
  std::vector<ViewMount> mounts;
  std::error_code error;
  for (const char* name : {"resolv.conf", "hostname", "hosts"}) {
    std::string source = fmt::format("{}/{}", directory, name);
    std::string destination = fmt::format("/etc/{}", name);
    const bool taken = std::ranges::any_of(spec.mounts, [&](const MountSpec& mount) { return mount.destination == destination; });
    if (!taken && fs::exists(source, error)) mounts.push_back({std::move(source), std::move(destination), false, false});
  }
  for (const MountSpec& mount : blocking_sources_in_view(spec, directory, host)) {
    if (mount.kind == MountSpec::Kind::tmpfs || !fs::exists(mount.source, error)) continue;
    mounts.push_back({mount.source, mount.destination, mount.read_only, mount.kind == MountSpec::Kind::volume && mount.copy_from_image});
  }
  return mounts;
}

class LocalFileDriver final : public FileDriver {
 public:
  explicit LocalFileDriver(FileHost host) : host_(std::move(host)) {}

  Task<OpenedFiles> open(WorkloadSpec spec, FileAccess access) override {
    const auto pid = co_await host_.settled_pid(spec.id);
    bool may_take_minutes = false;
    if (!pid && access != FileAccess::own_root)
      may_take_minutes = co_await has_volumes_with_options(host_.pool, host_.volumes, spec.mounts);
    ContainerView view = co_await run_blocking_with_volumes(host_.pool, may_take_minutes, [this, &spec, access, pid] {
      const std::string directory = host_.directory(spec.id);
      if (!pid) return blocking_view_stopped(make_plan(spec, directory, access));
      // The host's own mount of its root has none of the mounts inside.
      if (access == FileAccess::own_root) return ContainerView{blocking_open(directory + "/rootfs", O_PATH | O_DIRECTORY), {}};
      return blocking_view_running(*pid);
    });
    auto files = std::make_unique<LocalContainerFiles>(host_.pool, std::move(view));
    // Only now is it sure whose process that was.
    if (pid && (co_await host_.settled_pid(spec.id)) != pid) throw Error::conflict("Container {} is not running", spec.id.str());
    co_return OpenedFiles{std::move(files), pid.has_value()};
  }

  Task<std::vector<api::FilesystemChange>> changes(WorkloadSpec spec) override {
    co_return co_await run_blocking(host_.pool, [this, &spec] {
      const std::string directory = host_.directory(spec.id);
      ViewPlan plan;
      plan.lower = lower_of(spec, directory);
      plan.mount_point = directory + "/rootfs";
      ContainerView below = blocking_view_stopped(plan);
      const oci::RootedDir lower(std::move(below.root));
      return blocking_layer_changes(oci::RootedDir::blocking_open(directory + "/upper"), lower);
    });
  }

  Task<std::unique_ptr<ByteSource>> layer(WorkloadSpec spec) override {
    co_return co_await run_blocking(host_.pool, [this, &spec] {
      oci::RootedDir upper = oci::RootedDir::blocking_open(host_.directory(spec.id) + "/upper");
      return oci::make_byte_source(
          host_.pool, oci::make_tree_archive(std::move(upper), {.path = ".", .name = "", .contents_only = true, .is_overlay_layer = true}));
    });
  }

 private:
  std::vector<std::string> lower_of(const WorkloadSpec& spec, const std::string& directory) const {
    return blocking_lower_layers(directory, host_.layers->blocking_layer_folders(spec.image_id));
  }

  /// @param spec  outlives the plan.
  ViewPlan make_plan(const WorkloadSpec& spec, const std::string& directory, FileAccess access) const {
    ViewPlan plan{.lower = lower_of(spec, directory),
                  .upper = directory + "/upper",
                  .work = directory + "/work",
                  .mount_point = directory + "/rootfs",
                  .mounts = {},
                  .writable = access == FileAccess::write};
    if (access != FileAccess::own_root) plan.mounts = [this, &spec, directory] { return blocking_mounts_of(spec, directory, host_); };
    return plan;
  }

  const FileHost host_;
};

}  // namespace

std::unique_ptr<FileDriver> make_file_driver(FileHost host) { return std::make_unique<LocalFileDriver>(std::move(host)); }

}  // namespace sockerless::local
