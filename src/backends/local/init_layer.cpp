#include "backends/local/init_layer.hpp"

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace {

enum class Kind { folder, file, mounts_link };
struct Place {
  const char* folder;  ///< "" for the root
  const char* name;
  Kind kind;
};

constexpr std::array kPlaces{Place{"", ".dockerenv", Kind::file},     Place{"", "proc", Kind::folder},
                             Place{"", "sys", Kind::folder},          Place{"dev", "console", Kind::file},
                             Place{"dev", "pts", Kind::folder},       Place{"dev", "shm", Kind::folder},
                             Place{"etc", "hosts", Kind::file},       Place{"etc", "hostname", Kind::file},
                             Place{"etc", "resolv.conf", Kind::file}, Place{"etc", "mtab", Kind::mounts_link}};

/// What the image has there; nothing when it has nothing.
std::optional<struct stat> look_up(const std::vector<std::string>& image, const std::string& path) {
  for (const auto& layer : image) {
    struct stat status{};
    if (::lstat(fmt::format("{}/{}", layer, path).c_str(), &status) != 0) continue;
    if (S_ISCHR(status.st_mode) && status.st_rdev == 0) return std::nullopt;
    return status;
  }
  return std::nullopt;
}

[[noreturn]] void fail(const std::string& path) { throw from_errno(errno, "make " + path); }

void make(const std::string& path, Kind kind) {
  if (kind == Kind::folder) {
    if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0) fail(path);
  } else if (kind == Kind::file) {
    if (::mknod(path.c_str(), S_IFREG | 0755, 0) != 0 || ::chmod(path.c_str(), 0755) != 0) fail(path);
  } else if (::symlink("/proc/mounts", path.c_str()) != 0) {
    fail(path);
  }
}

/// A folder that the image has keeps looking as it does there.
void look_like(const std::string& path, const struct stat& status) {
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  if (::chown(path.c_str(), status.st_uid, status.st_gid) != 0 || ::chmod(path.c_str(), status.st_mode & 07777U) != 0 ||
      ::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) != 0) {
    fail(path);
  }
}

}  // namespace

void blocking_make_init_layer(const std::vector<std::string>& image, const std::string& target) {
  make(target, Kind::folder);
  for (const char* folder : {"", "dev", "etc"}) {
    const std::string path = *folder == '\0' ? target : fmt::format("{}/{}", target, folder);
    const auto there = *folder == '\0' ? std::nullopt : look_up(image, folder);
    if (there && !S_ISDIR(there->st_mode)) continue;  // a link, say: the runtime finds its way
    bool made = *folder == '\0';
    for (const Place& place : kPlaces) {
      if (std::string_view(place.folder) != folder) continue;
      if (look_up(image, made && *folder == '\0' ? place.name : fmt::format("{}/{}", folder, place.name))) continue;
      if (!made) make(path, Kind::folder);
      made = true;
      make(fmt::format("{}/{}", path, place.name), place.kind);
    }
    if (made && there) look_like(path, *there);
  }
}

std::vector<std::string> blocking_lower_layers(const std::string& container_directory, std::vector<std::string> image) {
  std::string own = fmt::format("{}/{}", container_directory, kInitLayer);
  std::error_code error;
  if (std::filesystem::is_directory(own, error)) image.insert(image.begin(), std::move(own));
  return image;
}

}  // namespace sockerless::local
