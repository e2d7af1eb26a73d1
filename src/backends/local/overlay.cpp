#include "backends/local/overlay.hpp"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

UniqueFd open_folder(const std::string& path) { return blocking_open(path, O_PATH | O_DIRECTORY); }

/// A mount's options must fit a page and may not hold ',' or ':' in a name. A descriptor's path is short and has neither.
std::string path_of(const UniqueFd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

}  // namespace

bool blocking_is_mount_point(const std::string& path) {
  struct stat here{};
  struct stat parent{};
  if (::lstat(path.c_str(), &here) != 0 || ::lstat((path + "/..").c_str(), &parent) != 0) return false;
  return here.st_dev != parent.st_dev;
}

void blocking_mount_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                            const std::string& target, LayerLife life) {
  for (const auto* folder : {&upper, &work, &target}) fs::create_directories(*folder);
  ::chmod(upper.c_str(), 0755);  // it is the container's "/"
  if (blocking_is_mount_point(target)) return;
  std::vector<UniqueFd> layers;
  std::string lower_option;
  for (const auto& folder : lower) {
    layers.push_back(open_folder(folder));
    if (!lower_option.empty()) lower_option += ':';
    lower_option += path_of(layers.back());
  }
  const UniqueFd upper_fd = open_folder(upper);
  const UniqueFd work_fd = open_folder(work);
  if (lower.empty()) {  // an image without layers: the writable layer is all there is
    if (::mount(upper.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) throw from_errno(errno, "bind mount " + target);
    return;
  }
  std::string options = fmt::format("lowerdir={},upperdir={},workdir={},index=off,redirect_dir=off,metacopy=off", lower_option,
                                    path_of(upper_fd), path_of(work_fd));
  if (life == LayerLife::thrown_away) {
    options += ",volatile";
    fs::remove_all(work + "/work/incompat");  // the mark of the run before, which the kernel takes for that of a crash
  }
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) == 0) return;
  const int failure = errno;
  Error error = from_errno(failure, "mount the container's root file system (overlay)");
  if (failure == ENODEV) throw Error::unavailable("the kernel has no overlay file system: load the module overlay");
  if (failure == EINVAL)
    error.add_context("the state directory must be on a file system that can hold overlay's upper layer (not itself an overlay)");
  throw error;
}

void blocking_mount_layers(const std::vector<std::string>& layers, const std::string& target) {
  if (layers.size() == 1) {  // an overlay has two at least
    if (::mount(layers.front().c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      throw from_errno(errno, "bind mount " + target);
    }
    return;
  }
  std::vector<UniqueFd> opened;
  std::string option = "lowerdir=";
  for (const auto& folder : layers) {
    if (!opened.empty()) option += ':';
    opened.push_back(open_folder(folder));
    option += path_of(opened.back());
  }
  if (::mount("overlay", target.c_str(), "overlay", MS_RDONLY, option.c_str()) != 0)
    throw from_errno(errno, "mount the container's layers (overlay)");
}

void blocking_mount_shared_memory(const std::string& target, std::int64_t size) {
  fs::create_directories(target);
  if (blocking_is_mount_point(target)) return;
  const std::string options = fmt::format("mode=1777,size={}", size);
  if (::mount("shm", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) != 0)
    throw from_errno(errno, "mount the container's shared memory");
}

void blocking_unmount_all(const std::string& directory) {
  for (const char* target : kMountPoints) blocking_unmount(fmt::format("{}/{}", directory, target));
  std::error_code error;
  std::vector<fs::path> helpers;
  for (const auto& helper : fs::directory_iterator(fmt::format("{}/{}", directory, kHelperMounts), error)) helpers.push_back(helper.path());
  for (const auto& helper : helpers) {
    // Not by device numbers: a bind of the same file system has the same. What is still mounted cannot be removed.
    while (::umount2(helper.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {}
    if (!fs::remove(helper, error) && error) throw Error::internal("unmount {}: {}", helper.string(), error.message());
  }
}

void blocking_unmount(const std::string& target) {
  while (blocking_is_mount_point(target)) {
    if (::umount2(target.c_str(), MNT_DETACH) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) return;
    throw from_errno(errno, "unmount " + target);
  }
}

}  // namespace sockerless::local
