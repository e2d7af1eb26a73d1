#include "oci/tree_archive.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/time.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint32_t kMqueueMagic = 0x19800202;

class TextSink : public TarWriter::Sink {
 public:
  void blocking_write(std::span<const std::byte> bytes) override { text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  std::string text;
};

/// One directory that is being packed.
struct Level {
  std::string path;  // below the root
  std::string name;  // in the archive, with the slash; "" for bare names
  dev_t device = 0;
  std::vector<std::string> names;
  std::size_t next = 0;
};

std::string path_of(const UniqueFd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

std::string join(const std::string& folder, const std::string& name) { return folder == "." ? name : folder + "/" + name; }

bool is_kernel_file_system(const UniqueFd& directory) {
  struct statfs facts{};
  if (::fstatfs(directory.get(), &facts) != 0) return false;
  constexpr std::array<std::uint32_t, 11> kKinds{PROC_SUPER_MAGIC,    SYSFS_MAGIC,   DEVPTS_SUPER_MAGIC, CGROUP_SUPER_MAGIC,
                                                 CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,      SECURITYFS_MAGIC,
                                                 BPF_FS_MAGIC,        kMqueueMagic,  BINFMTFS_MAGIC};
  return std::ranges::find(kKinds, static_cast<std::uint32_t>(facts.f_type)) != kKinds.end();
}

std::vector<std::string> names_in(const UniqueFd& directory) {
  const int fd = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw from_errno(errno, "list a directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), &::closedir);
  if (!listing) {
    ::close(fd);
    throw from_errno(ENOMEM, "list a directory");
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  }
  std::ranges::sort(names);
  return names;
}

std::string attribute(const std::string& path, const char* name) {
  std::string value(256, '\0');
  for (;;) {
    const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
    if (size >= 0) return value.substr(0, static_cast<std::size_t>(size));
    if (errno != ERANGE || value.size() > XATTR_SIZE_MAX) return {};
    value.resize(XATTR_SIZE_MAX);
  }
}

void take_attributes(const UniqueFd& node, TarEntry& entry) {
  const std::string path = path_of(node);
  std::string names(1024, '\0');
  ssize_t size = ::listxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && errno == ERANGE) {
    names.resize(XATTR_LIST_MAX);
    size = ::listxattr(path.c_str(), names.data(), names.size());
  }
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.c_str() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    if (name == "security.capability" || (name.starts_with("user.") && !name.starts_with("user.overlay."))) {
      entry.xattrs[name] = attribute(path, name.c_str());
    }
  }
}

class TreeArchive final : public BlockingSource {
 public:
  TreeArchive(RootedDir root, TreeArchiveOptions options) : root_(std::move(root)), options_(std::move(options)) {}

  std::size_t blocking_read(std::span<std::byte> buffer) override {
    for (;;) {
      if (sent_ < pending_.size()) return take_pending(buffer);
      if (content_left_ > 0) return read_content(buffer);
      pending_.clear();
      sent_ = 0;
      if (ended_) return 0;
      step();
    }
  }

 private:
  std::size_t take_pending(std::span<std::byte> buffer) {
    const std::size_t count = std::min(buffer.size(), pending_.size() - sent_);
    std::memcpy(buffer.data(), pending_.data() + sent_, count);
    sent_ += count;
    return count;
  }

  std::size_t read_content(std::span<std::byte> buffer) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), content_left_));
    ssize_t count = 0;
    do {
      count = file_ ? ::read(file_.get(), buffer.data(), wanted) : 0;
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw from_errno(errno, "read a file of the container");
    if (count == 0) {  // it is shorter than it was
      file_.reset();
      std::memset(buffer.data(), 0, wanted);
      count = static_cast<ssize_t>(wanted);
    }
    content_left_ -= static_cast<std::uint64_t>(count);
    if (content_left_ == 0) {
      file_.reset();
      pending_.assign(padding_, '\0');
      sent_ = 0;
    }
    return static_cast<std::size_t>(count);
  }

  /// Puts the next member, or the end, into what is pending.
  void step() {
    if (!begun_) {
      begun_ = true;
      return begin();
    }
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next == level.names.size()) {
        levels_.pop_back();
        directory_.reset();
        continue;
      }
      if (!directory_) directory_ = root_.open(level.path, O_PATH | O_DIRECTORY);
      if (!directory_) {
        if (errno != ENOENT && errno != ENOTDIR) throw from_errno(errno, "open /" + level.path);
        level.next = level.names.size();  // the whole directory vanished
        continue;
      }
      const std::string& name = level.names[level.next++];
      const UniqueFd node(::openat(directory_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (node) add(node, join(level.path, name), level.name, name, level.device);
      if (!pending_.empty()) return;
    }
    pending_.assign(2 * kBlock, '\0');
    ended_ = true;
  }

  void begin() {
    const UniqueFd node = root_.open(options_.path, O_PATH | O_NOFOLLOW);
    if (!node) throw from_errno(errno, "open /" + options_.path);
    struct stat status{};
    if (::fstat(node.get(), &status) != 0) throw from_errno(errno, "stat /" + options_.path);
    if (options_.contents_only) {
      levels_.push_back({options_.path, "", status.st_dev, names_in(node), 0});
    } else {
      add(node, options_.path, "", options_.name, status.st_dev);
    }
  }

  void add(const UniqueFd& node, const std::string& path, const std::string& folder, const std::string& name, dev_t device) {
    struct stat status{};
    if (::fstat(node.get(), &status) != 0) throw from_errno(errno, "stat /" + path);
    if (S_ISSOCK(status.st_mode)) return;
    TarEntry entry;
    entry.name = folder + name;
    entry.mode = status.st_mode & 07777U;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mtime = TimePoint(std::chrono::seconds(status.st_mtim.tv_sec));
    if (options_.is_overlay_layer && S_ISCHR(status.st_mode) && status.st_rdev == 0) {
      entry.name = folder + ".wh." + name;
      return write_header(entry);
    }
    if (S_ISDIR(status.st_mode)) return add_directory(node, path, std::move(entry), status.st_dev, device);
    if (status.st_nlink > 1) {
      const auto [known, is_new] = seen_.try_emplace({status.st_dev, status.st_ino}, entry.name);
      if (!is_new) {
        entry.type = TarEntry::Type::hard_link;
        entry.link = known->second;
        return write_header(entry);
      }
    }
    if (S_ISREG(status.st_mode)) return add_file(node, std::move(entry), static_cast<std::uint64_t>(status.st_size));
    add_special(node, std::move(entry), status);
  }

  void add_directory(const UniqueFd& node, const std::string& path, TarEntry entry, dev_t own_device, dev_t parent_device) {
    entry.type = TarEntry::Type::directory;
    entry.name += '/';
    take_attributes(node, entry);
    write_header(entry);
    if (options_.is_overlay_layer && attribute(path_of(node), "trusted.overlay.opaque") == "y") {
      TarEntry opaque;
      opaque.name = entry.name + ".wh..wh..opq";
      write_header(opaque);
    }
    const bool is_mount = own_device != parent_device;
    if (is_mount && (is_kernel_file_system(node) || path == "dev")) return;
    levels_.push_back({path, entry.name, own_device, names_in(node), 0});
    directory_.reset();
  }

  void add_file(const UniqueFd& node, TarEntry entry, std::uint64_t size) {
    entry.size = size;
    take_attributes(node, entry);
    if (size > 0) {
      file_.reset(::open(path_of(node).c_str(), O_RDONLY | O_CLOEXEC));  // this very file, whatever its name is now
      if (!file_) throw from_errno(errno, "open /" + entry.name);
    }
    write_header(entry);
    content_left_ = size;
    padding_ = (kBlock - size % kBlock) % kBlock;
  }

  void add_special(const UniqueFd& node, TarEntry entry, const struct stat& status) {
    if (S_ISLNK(status.st_mode)) {
      std::array<char, PATH_MAX> target{};
      const ssize_t length = ::readlinkat(node.get(), "", target.data(), target.size());
      if (length < 0) throw from_errno(errno, "read the link /" + entry.name);
      entry.type = TarEntry::Type::symlink;
      entry.link.assign(target.data(), static_cast<std::size_t>(length));
    } else if (S_ISFIFO(status.st_mode)) {
      entry.type = TarEntry::Type::fifo;
    } else {
      entry.type = S_ISCHR(status.st_mode) ? TarEntry::Type::char_device : TarEntry::Type::block_device;
      entry.device_major = major(status.st_rdev);
      entry.device_minor = minor(status.st_rdev);
    }
    write_header(entry);
  }

  void write_header(const TarEntry& entry) {
    TextSink sink;
    TarWriter(sink).blocking_add(entry);
    pending_ += sink.text;
  }

  const RootedDir root_;
  const TreeArchiveOptions options_;
  std::vector<Level> levels_;
  UniqueFd directory_;  // of the last level; opened again when a level ends, so that depth costs no descriptors
  std::map<std::pair<dev_t, ino_t>, std::string> seen_;  // files with several names: the first one
  std::string pending_;
  std::size_t sent_ = 0;
  UniqueFd file_;
  std::uint64_t content_left_ = 0;
  std::size_t padding_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<BlockingSource> make_tree_archive(RootedDir root, TreeArchiveOptions options) {
  return std::make_unique<TreeArchive>(std::move(root), std::move(options));
}

}  // namespace sockerless::oci
