#include "backends/local/mount_sources.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

/// Opens a path inside a folder; links may lead anywhere but out of it.
UniqueFd open_subpath(const std::string& base, const std::string& subpath) {
  const UniqueFd folder = blocking_open(base, O_PATH | O_DIRECTORY);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, folder.get(), subpath.c_str(), &how, sizeof(how))));
  if (fd) return fd;
  if (errno == EXDEV) throw Error::invalid_argument("path concatenation escapes the base directory, base: {}, subpath: {}", base, subpath);
  throw Error::invalid_argument("cannot access path {}/{}: {}", base, subpath,
                                errno == ENOENT ? "no such file or directory" : "not accessible");
}

void bind_mount(const UniqueFd& source, const std::string& target) {
  struct stat status{};
  if (::fstat(source.get(), &status) != 0) throw from_errno(errno, "look at a mount's source");
  if (S_ISDIR(status.st_mode)) {
    fs::create_directories(target);
  } else {
    const UniqueFd file = blocking_open(target, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  }
  const std::string path = fmt::format("/proc/self/fd/{}", source.get());
  if (::mount(path.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) throw from_errno(errno, "bind mount " + target);
}

/// The layers of an image as a folder that cannot be written.
void mount_image(const std::vector<std::string>& layers, const std::string& target) {
  fs::create_directories(target);
  if (layers.empty()) return;
  if (layers.size() == 1) {  // overlay wants two
    if (::mount(layers[0].c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      throw from_errno(errno, "mount an image at " + target);
    return;
  }
  std::vector<UniqueFd> folders;  // a descriptor's path is short: all of them have to fit a page
  std::vector<std::string> names;
  for (const auto& layer : layers) {
    folders.push_back(blocking_open(layer, O_PATH | O_DIRECTORY));
    names.push_back(fmt::format("/proc/self/fd/{}", folders.back().get()));
  }
  const std::string options = fmt::format("lowerdir={}", fmt::join(names, ":"));
  if (::mount("overlay", target.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0)
    throw from_errno(errno, "mount an image at " + target);
}

struct SourceMount {
  std::string point;
  bool shared = false;
  bool slave = false;
};

/// The mount a path lies on: the longest mount point that is above it; of equal ones the last, which covers the others.
SourceMount mount_of(const std::string& path) {
  SourceMount best;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string field;
    SourceMount mount;
    for (int i = 0; i < 5; ++i) fields >> mount.point;
    fields >> field;
    while (fields >> field && field != "-") {
      mount.shared = mount.shared || field.starts_with("shared:");
      mount.slave = mount.slave || field.starts_with("master:");
    }
    const std::string prefix = mount.point == "/" ? "/" : mount.point + "/";
    if ((path == mount.point || path.starts_with(prefix)) && mount.point.size() >= best.point.size()) best = std::move(mount);
  }
  return best;
}

}  // namespace

bool is_docker_socket(const std::string& path) { return path == "/var/run/docker.sock" || path == "/run/docker.sock"; }

std::vector<MountSpec> with_own_socket(std::vector<MountSpec> mounts, const std::string& own_socket) {
  if (own_socket.empty()) return mounts;
  for (auto& mount : mounts) {
    if (mount.kind == MountSpec::Kind::bind && is_docker_socket(mount.source)) mount.source = own_socket;
  }
  return mounts;
}

std::vector<std::string> blocking_socket_warnings(const std::vector<MountSpec>& mounts, const std::string& own_socket) {
  std::vector<std::string> warnings;
  for (const auto& mount : mounts) {
    std::error_code error;
    if (mount.kind != MountSpec::Kind::bind || !is_docker_socket(mount.source) || own_socket.empty()) continue;
    if (fs::exists(mount.source, error) && !fs::equivalent(mount.source, own_socket, error))
      warnings.push_back(
          fmt::format("{} in the container is this daemon's socket, not the one that is there on the host.", mount.destination));
  }
  return warnings;
}

bool needs_helper_mount(const MountSpec& mount) { return mount.kind == MountSpec::Kind::image || !mount.subpath.empty(); }

std::string helper_mount_name(std::size_t index) { return fmt::format("{}/{}", kHelperMounts, index); }

std::string image_hold_name(const ContainerId& id, std::size_t index) { return fmt::format("{}.{}", id.str(), index); }

std::vector<MountSpec> blocking_mount_sources(std::vector<MountSpec> mounts, const std::string& directory, LayerSource& layers) {
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    MountSpec& mount = mounts[i];
    if (!needs_helper_mount(mount)) continue;
    const std::string target = fmt::format("{}/{}", directory, helper_mount_name(i));
    fs::create_directories(fs::path(target).parent_path());
    if (mount.kind == MountSpec::Kind::image) {
      mount_image(layers.blocking_layer_folders(mount.source), target);
      mount.source = target;
      // On top of the image: the one name to unmount is taken off as often as it is mounted.
      if (!mount.subpath.empty()) {
        const UniqueFd part = open_subpath(target, mount.subpath);
        mount.source = target + ".part";
        bind_mount(part, mount.source);
      }
      mount.read_only = true;
    } else {
      bind_mount(open_subpath(mount.source, mount.subpath), target);
      mount.source = target;
    }
    mount.kind = MountSpec::Kind::bind;
  }
  return mounts;
}

void blocking_check_propagation(const std::vector<MountSpec>& mounts) {
  for (const auto& mount : mounts) {
    const bool wants_shared = mount.propagation == "shared" || mount.propagation == "rshared";
    const bool wants_slave = mount.propagation == "slave" || mount.propagation == "rslave";
    if (mount.kind != MountSpec::Kind::bind || (!wants_shared && !wants_slave)) continue;
    std::error_code error;
    const std::string real = fs::canonical(mount.source, error);
    const SourceMount below = mount_of(error ? mount.source : real);
    if (wants_shared && !below.shared)
      throw Error::internal("path {} is mounted on {} but it is not a shared mount", mount.source, below.point);
    if (wants_slave && !below.shared && !below.slave)
      throw Error::internal("path {} is mounted on {} but it is not a shared or slave mount", mount.source, below.point);
  }
}

}  // namespace sockerless::local
