#include "backends/local/volume_copy.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace {

constexpr int kMaxDepth = 256;

/// openat2(2) below a root, which no link and no ".." leaves.
UniqueFd open_in_root(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how))));
}

std::string relative(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

/// Takes over the descriptor.
Folder open_listing(UniqueFd fd) {
  Folder folder(::fdopendir(fd.get()));
  if (!folder) throw from_errno(errno, "list a folder");
  fd.release();
  return folder;
}

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

void copy_attributes(int from, int to) {
  std::array<char, 4096> names;
  const ssize_t size = ::flistxattr(from, names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const char* name = names.data() + at;
    at += static_cast<ssize_t>(std::strlen(name)) + 1;
    if (std::strncmp(name, "trusted.overlay.", 16) == 0) continue;
    std::array<char, 4096> value;
    const ssize_t length = ::fgetxattr(from, name, value.data(), value.size());
    if (length >= 0)
      std::ignore = ::fsetxattr(to, name, value.data(), static_cast<std::size_t>(length), 0);  // the file system may have none
  }
}

void copy_status(int to, const struct stat& status) {
  if (::fchown(to, status.st_uid, status.st_gid) != 0) throw from_errno(errno, "change an owner in the volume");
  if (::fchmod(to, status.st_mode & 07777) != 0) throw from_errno(errno, "change a mode in the volume");
  const timespec times[2] = {status.st_atim, status.st_mtim};
  ::futimens(to, times);
}

void copy_file(int from_folder, int to_folder, const char* name) {
  const UniqueFd from(::openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  const UniqueFd to(::openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!from || !to) throw from_errno(errno, "copy a file to the volume");
  struct stat status{};
  ::fstat(from.get(), &status);
  std::vector<char> buffer(128UL * 1024);
  for (;;) {
    const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "read a file of the image");
    if (count == 0) break;
    for (ssize_t done = 0; done < count;) {
      const ssize_t written = ::write(to.get(), buffer.data() + done, static_cast<std::size_t>(count - done));
      if (written < 0 && errno != EINTR) throw from_errno(errno, "write a file of the volume");
      if (written > 0) done += written;
    }
  }
  copy_attributes(from.get(), to.get());
  copy_status(to.get(), status);
}

void copy_special(int from_folder, int to_folder, const char* name, const struct stat& status) {
  if (S_ISLNK(status.st_mode)) {
    std::array<char, 4097> target;
    const ssize_t length = ::readlinkat(from_folder, name, target.data(), target.size() - 1);
    if (length < 0) throw from_errno(errno, "read a link of the image");
    target[static_cast<std::size_t>(length)] = '\0';
    if (::symlinkat(target.data(), to_folder, name) != 0) throw from_errno(errno, "make a link in the volume");
  } else if (::mknodat(to_folder, name, status.st_mode, status.st_rdev) != 0) {
    throw from_errno(errno, "make a special file in the volume");
  }
  if (::fchownat(to_folder, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    throw from_errno(errno, "change an owner in the volume");
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the image's folders, which kMaxDepth bounds
void copy_folder(UniqueFd from, int to, int depth) {
  if (depth > kMaxDepth) throw Error::invalid_argument("the image's folders are nested too deep to be copied to the volume");
  struct stat own{};
  ::fstat(from.get(), &own);
  copy_attributes(from.get(), to);
  const Folder listing = open_listing(std::move(from));
  const int from_folder = ::dirfd(listing.get());
  while (const dirent* entry = ::readdir(listing.get())) {
    if (is_dots(entry->d_name)) continue;
    struct stat status{};
    if (::fstatat(from_folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      UniqueFd below(::openat(from_folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (::mkdirat(to, entry->d_name, 0700) != 0) throw from_errno(errno, "make a folder in the volume");
      const UniqueFd target(::openat(to, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below || !target) throw from_errno(errno, "copy a folder to the volume");
      copy_folder(std::move(below), target.get(), depth + 1);
    } else if (S_ISREG(status.st_mode)) {
      copy_file(from_folder, to, entry->d_name);
    } else if (!S_ISSOCK(status.st_mode)) {
      copy_special(from_folder, to, entry->d_name, status);
    }
  }
  copy_status(to, own);
}

bool is_empty(int folder_fd) {
  const Folder listing = open_listing(UniqueFd(::fcntl(folder_fd, F_DUPFD_CLOEXEC, 3)));
  bool empty = true;
  while (const dirent* entry = ::readdir(listing.get())) empty = empty && is_dots(entry->d_name);
  ::rewinddir(listing.get());
  return empty;
}

}  // namespace

void blocking_copy_up(const std::string& root, const std::string& path, const std::string& volume) {
  const UniqueFd target = blocking_open(volume, O_RDONLY | O_DIRECTORY);
  if (!is_empty(target.get())) return;
  const UniqueFd root_fd = blocking_open(root, O_PATH | O_DIRECTORY);
  UniqueFd source = open_in_root(root_fd.get(), relative(path), O_RDONLY | O_DIRECTORY);
  if (!source) return;  // the image has nothing there
  copy_folder(std::move(source), target.get(), 0);
}

void blocking_make_folder_in_root(const std::string& root, const std::string& path) {
  const UniqueFd root_fd = blocking_open(root, O_PATH | O_DIRECTORY);
  std::string rest = relative(path);
  std::string done;
  while (!rest.empty() && rest != ".") {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string name = rest.substr(0, end);
    rest.erase(0, std::min(rest.find_first_not_of('/', end), rest.size()));
    if (name.empty() || name == ".") continue;
    const std::string next = done.empty() ? name : fmt::format("{}/{}", done, name);
    if (name != ".." && !open_in_root(root_fd.get(), next, O_PATH | O_DIRECTORY)) {
      if (errno != ENOENT) throw from_errno(errno, "mkdir " + path);
      const UniqueFd parent = open_in_root(root_fd.get(), done.empty() ? "." : done, O_PATH | O_DIRECTORY);
      if (!parent || (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST)) throw from_errno(errno, "mkdir " + path);
    }
    done = next;
  }
}

}  // namespace sockerless::local
