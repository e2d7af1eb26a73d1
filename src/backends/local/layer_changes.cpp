#include "backends/local/layer_changes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

enum ChangeKind : std::uint8_t { modified = 0, added = 1, deleted = 2 };
constexpr int kMaxDepth = 2048;

std::vector<std::string> names_in(const oci::RootedDir& tree, const std::string& path) {
  UniqueFd fd = tree.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd && errno == ENOENT) return {};
  if (!fd) throw from_errno(errno, "list /" + path);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd.get()), &::closedir);
  if (!listing) throw from_errno(errno, "list /" + path);
  fd.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  }
  std::ranges::sort(names);
  return names;
}

struct Node {
  struct stat status{};
  std::string capability;
  bool opaque = false;

  bool is_directory() const { return S_ISDIR(status.st_mode); }
  bool is_whiteout() const { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }
};

std::string attribute(int fd, const char* name) {
  std::array<char, 256> value{};
  const ssize_t size = ::getxattr(fmt::format("/proc/self/fd/{}", fd).c_str(), name, value.data(), value.size());
  return size <= 0 ? std::string() : std::string(value.data(), static_cast<std::size_t>(size));
}

std::optional<Node> look_up(const oci::RootedDir& tree, const std::string& path) {
  const UniqueFd fd = tree.open(path, O_PATH | O_NOFOLLOW);
  Node node;
  if (!fd || ::fstat(fd.get(), &node.status) != 0) return std::nullopt;
  if (S_ISREG(node.status.st_mode)) node.capability = attribute(fd.get(), "security.capability");
  if (node.is_directory()) node.opaque = attribute(fd.get(), "trusted.overlay.opaque") == "y";
  return node;
}

bool differs(const Node& now, const Node& before) {
  const struct stat& a = now.status;
  const struct stat& b = before.status;
  if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev) return true;
  if (now.is_directory()) return false;
  return a.st_size != b.st_size || a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec ||
         now.capability != before.capability;
}

class Comparison {
 public:
  Comparison(const oci::RootedDir& upper, const oci::RootedDir& lower) : upper_(upper), lower_(lower) {}

  std::vector<api::FilesystemChange> run() {
    compare_directory(".", true, false, 0);
    std::ranges::sort(changes_, {}, &api::FilesystemChange::path);
    return std::move(changes_);
  }

 private:
  void add(const std::string& path, ChangeKind kind) {
    api::FilesystemChange change;
    change.path = "/" + path;
    change.kind = kind;
    changes_.push_back(std::move(change));
  }

  // NOLINTNEXTLINE(misc-no-recursion): as deep as the layer, which kMaxDepth bounds
  void compare_directory(const std::string& path, bool existed, bool opaque, int depth) {
    if (depth > kMaxDepth) throw Error::invalid_argument("the container's directories are nested too deep to be compared");
    const std::vector<std::string> names = names_in(upper_, path);
    for (const auto& name : names) compare(path == "." ? name : path + "/" + name, existed, depth);
    if (!existed || !opaque) return;
    for (const auto& name : names_in(lower_, path)) {
      if (!std::ranges::binary_search(names, name)) add(path == "." ? name : path + "/" + name, deleted);
    }
  }

  // NOLINTNEXTLINE(misc-no-recursion)
  void compare(const std::string& path, bool parent_existed, int depth) {
    const auto now = look_up(upper_, path);
    if (!now) return;  // it went meanwhile
    const auto before = parent_existed ? look_up(lower_, path) : std::nullopt;
    if (now->is_whiteout()) {
      if (before) add(path, deleted);
      return;
    }
    const std::size_t count = changes_.size();
    if (now->is_directory()) compare_directory(path, before && before->is_directory(), now->opaque, depth + 1);
    if (!before) {
      add(path, added);
    } else if (differs(*now, *before) || changes_.size() > count) {
      add(path, modified);
    }
  }

  const oci::RootedDir& upper_;
  const oci::RootedDir& lower_;
  std::vector<api::FilesystemChange> changes_;
};

}  // namespace

std::vector<api::FilesystemChange> blocking_layer_changes(const oci::RootedDir& upper, const oci::RootedDir& lower) {
  return Comparison(upper, lower).run();
}

}  // namespace sockerless::local
