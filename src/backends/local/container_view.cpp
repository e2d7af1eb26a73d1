#include "backends/local/container_view.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/local/overlay.hpp"
#include "backends/local/volume_copy.hpp"
#include "base/error.hpp"
#include "oci/rooted_dir.hpp"

namespace sockerless::local {

namespace {

/// Namespaces belong to threads: one of its own can go elsewhere, and takes nobody along.
ContainerView on_own_thread(const std::function<ContainerView()>& open) {
  ContainerView view;
  std::exception_ptr failure;
  std::thread([&] {
    try {
      view = open();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return view;
}

UniqueFd open_path(const std::string& path) { return blocking_open(path, O_PATH | O_DIRECTORY); }

std::string path_of(const UniqueFd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

std::string below_root(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

class Assembly {
 public:
  explicit Assembly(const ViewPlan& plan) : plan_(plan) {}

  ContainerView put_together() {
    if (::unshare(CLONE_NEWNS) != 0) throw from_errno(errno, "make a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw from_errno(errno, "make the mounts private");
    ContainerView view;
    view.mount_namespace = blocking_open("/proc/thread-self/ns/mnt", O_RDONLY);
    if (plan_.mounts) {
      for (ViewMount& mount : plan_.mounts()) mounts_.emplace(std::ranges::count(mount.destination, '/'), std::move(mount));
    }
    if (plan_.writable || !mount_read_only()) mount_writable();
    for (const auto& [depth, mount] : mounts_) bind(mount);
    enter_root();
    view.root = open_path("/");
    return view;
  }

 private:
  /// @return false: a mount has no place in it.
  bool mount_read_only() {
    std::vector<std::string> layers = plan_.lower;
    if (!plan_.upper.empty()) layers.insert(layers.begin(), plan_.upper);
    blocking_mount_layers(layers, plan_.mount_point);
    const oci::RootedDir root(open_path(plan_.mount_point));
    const auto has_place = [&](const auto& at) { return static_cast<bool>(root.open(below_root(at.second.destination), O_PATH)); };
    if (std::ranges::all_of(mounts_, has_place)) return true;
    ::umount2(plan_.mount_point.c_str(), MNT_DETACH);
    return false;
  }

  void mount_writable() { blocking_mount_overlay(plan_.lower, plan_.upper, plan_.work, plan_.mount_point, LayerLife::kept); }

  void bind(const ViewMount& mount) {
    if (mount.copy_from_image) blocking_copy_up(plan_.mount_point, mount.destination, mount.source);
    const oci::RootedDir root(open_path(plan_.mount_point));
    const std::string destination = below_root(mount.destination);
    UniqueFd target = root.open(destination, O_PATH);
    if (!target) {
      make_place(root, mount);
      target = root.open(destination, O_PATH);
    }
    if (!target) throw from_errno(errno, "open the mount point " + mount.destination);
    if (::mount(mount.source.c_str(), path_of(target).c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      throw from_errno(errno, fmt::format("mount {} at {}", mount.source, mount.destination));
    if (!mount.read_only) return;
    target = root.open(destination, O_PATH);
    if (!target || ::mount(nullptr, path_of(target).c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      throw from_errno(errno, fmt::format("make {} read-only", mount.destination));
  }

  void make_place(const oci::RootedDir& root, const ViewMount& mount) {
    if (is_folder(mount.source)) return blocking_make_folder_in_root(plan_.mount_point, mount.destination);
    const std::filesystem::path path(mount.destination);
    blocking_make_folder_in_root(plan_.mount_point, path.parent_path());
    const UniqueFd folder = root.open(below_root(path.parent_path()), O_PATH | O_DIRECTORY);
    if (!folder || ::mknodat(folder.get(), path.filename().c_str(), S_IFREG | 0755, 0) != 0)
      throw from_errno(errno, "make the mount point " + mount.destination);
  }

  /// The tree becomes the namespace's root, and everything else leaves the namespace.
  void enter_root() {
    if (::chdir(plan_.mount_point.c_str()) != 0) throw from_errno(errno, "enter the container's root");
    if (::syscall(SYS_pivot_root, ".", ".") != 0) throw from_errno(errno, "change to the container's root");
    if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) throw from_errno(errno, "leave the host's mounts");
  }

  const ViewPlan& plan_;
  std::multimap<std::ptrdiff_t, ViewMount> mounts_;  // by depth: parents before children
};

}  // namespace

ContainerView blocking_view_running(std::int64_t pid) {
  return on_own_thread([pid] {
    ContainerView view;
    view.mount_namespace = blocking_open(fmt::format("/proc/{}/ns/mnt", pid), O_RDONLY);
    if (::unshare(CLONE_FS) != 0 || ::setns(view.mount_namespace.get(), CLONE_NEWNS) != 0)
      throw from_errno(errno, "enter the container's mount namespace");
    view.root = open_path("/");
    return view;
  });
}

ContainerView blocking_view_stopped(const ViewPlan& plan) {
  return on_own_thread([&plan] { return Assembly(plan).put_together(); });
}

}  // namespace sockerless::local
