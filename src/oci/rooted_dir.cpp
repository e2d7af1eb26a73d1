#include "oci/rooted_dir.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

struct CloseDir {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(int parent, const char* name) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw from_errno(errno, fmt::format("open {}", name));
  Dir dir(::fdopendir(fd.get()));
  if (!dir) throw from_errno(errno, fmt::format("open {}", name));
  std::ignore = fd.release();  // the DIR owns it
  return dir;
}

const char* next_name(DIR* dir) {
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) {
      if (errno != 0) throw from_errno(errno, "read a directory");
      return nullptr;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return entry->d_name;
  }
}

/// Removes anything but a directory. @return false: it is a directory.
bool remove_file(int parent, const char* name, std::uint64_t& freed) {
  struct stat status{};
  if (::fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return true;
    throw from_errno(errno, fmt::format("stat {}", name));
  }
  if (S_ISDIR(status.st_mode)) return false;
  if (::unlinkat(parent, name, 0) != 0 && errno != ENOENT) throw from_errno(errno, fmt::format("remove {}", name));
  if (status.st_nlink == 1) freed += static_cast<std::uint64_t>(status.st_size);
  return true;
}

/// Empties one child directory: files go, directories that are not empty move up to `top`, where their turn comes.
void flatten(int top, const char* child, std::uint64_t& counter, std::uint64_t& freed) {
  const Dir dir = open_dir(top, child);
  while (const char* name = next_name(dir.get())) {
    const int fd = ::dirfd(dir.get());
    if (remove_file(fd, name, freed) || ::unlinkat(fd, name, AT_REMOVEDIR) == 0) continue;
    for (;;) {
      const std::string moved = fmt::format(".removing-{}", counter++);
      if (::renameat2(fd, name, top, moved.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) throw from_errno(errno, fmt::format("remove {}", name));
    }
  }
}

void remove_directory(int parent, const std::string& name, std::uint64_t& freed) {
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
  std::uint64_t counter = 0;
  for (bool found = true; found;) {
    found = false;
    const Dir top = open_dir(parent, name.c_str());
    while (const char* child = next_name(top.get())) {
      found = true;
      const int fd = ::dirfd(top.get());
      if (remove_file(fd, child, freed)) continue;
      flatten(fd, child, counter, freed);
      if (::unlinkat(fd, child, AT_REMOVEDIR) != 0 && errno != ENOENT && errno != ENOTEMPTY) {
        throw from_errno(errno, fmt::format("remove {}", child));
      }
    }
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) throw from_errno(errno, fmt::format("remove {}", name));
}

}  // namespace

std::uint64_t blocking_remove_tree(int directory, const std::string& name) {
  std::uint64_t freed = 0;
  if (!remove_file(directory, name.c_str(), freed)) remove_directory(directory, name, freed);
  return freed;
}

RootedDir RootedDir::blocking_open(std::string_view path) { return RootedDir(sockerless::blocking_open(path, O_RDONLY | O_DIRECTORY)); }

UniqueFd RootedDir::open(const std::string& path, int flags, unsigned mode) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: somewhere on the machine a directory was renamed while ".." was being resolved, so the kernel could not be sure.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto fd = static_cast<int>(::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how));
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return {};
}

UniqueFd RootedDir::blocking_open_directory(const std::string& path) const {
  constexpr int kFlags = O_PATH | O_DIRECTORY;
  UniqueFd found = open(path, kFlags);
  if (found) return found;
  if (errno != ENOENT) throw from_errno(errno, fmt::format("open {}", path));
  // Step by step from directory to directory, so that a deep path costs its length; only a link is resolved from the root again.
  UniqueFd parent = open(".", kFlags);
  for (std::size_t at = 0; at <= path.size() && parent;) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, slash - at);
    at = slash + 1;
    found.reset(::openat(parent.get(), name.c_str(), kFlags | O_NOFOLLOW | O_CLOEXEC));
    if (!found && errno == ENOENT) {
      if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) throw from_errno(errno, fmt::format("mkdir {}", path.substr(0, slash)));
      found.reset(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!found || ::fchmod(found.get(), 0755) != 0) throw from_errno(errno, fmt::format("chmod {}", path.substr(0, slash)));
    } else if (!found && (errno == ENOTDIR || errno == ELOOP)) {
      found = open(path.substr(0, slash), kFlags);  // a link that leads nowhere is not made, and not followed
      if (!found) throw from_errno(errno == ENOENT ? ENOTDIR : errno, fmt::format("open {}", path.substr(0, slash)));
    }
    if (!found) throw from_errno(errno, fmt::format("open {}", path.substr(0, slash)));
    parent = std::move(found);
  }
  if (!parent) throw from_errno(errno, fmt::format("open {}", path));
  return parent;
}

std::string blocking_follow_links(const RootedDir& root, const std::string& path) {
  constexpr int kMaxLinks = 255;
  std::string done;         // without links; "" is the root
  std::string rest = path;  // what is still to be looked at
  for (int links = 0; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string name = rest.substr(0, slash);
    rest.erase(0, slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      done.erase(std::min(done.rfind('/'), done.size()));
      continue;
    }
    const UniqueFd found = root.open(fmt::format(".{}/{}", done, name), O_PATH | O_NOFOLLOW);
    std::array<char, PATH_MAX> target{};
    const ssize_t length = found ? ::readlinkat(found.get(), "", target.data(), target.size() - 1) : -1;
    if (length <= 0) {
      done += "/" + name;
      continue;
    }
    if (++links > kMaxLinks) throw Error::invalid_argument("too many links in {}", path);
    if (target[0] == '/') done.clear();
    rest = std::string(target.data(), static_cast<std::size_t>(length)) + "/" + rest;
    if (rest.size() > 16UL * PATH_MAX) throw Error::invalid_argument("too many links in {}", path);
  }
  return done.empty() ? "/" : done;
}

}  // namespace sockerless::oci
