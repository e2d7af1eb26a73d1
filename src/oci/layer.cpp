#include "oci/layer.hpp"

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/time.hpp"
#include "oci/tar.hpp"
#include "oci/tar_split.hpp"

namespace sockerless::oci {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufsMeta = ".wh..wh.";
constexpr const char* kOpaqueAttribute = "trusted.overlay.opaque";

timespec timespec_of(TimePoint time) {
  const std::int64_t nanoseconds = unix_nanoseconds(time);
  std::int64_t seconds = nanoseconds / 1'000'000'000;
  std::int64_t rest = nanoseconds % 1'000'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000'000;
  }
  return {seconds, rest};
}

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

bool may_have_attribute(std::string_view name) {
  return (name.starts_with("user.") && !name.starts_with("user.overlay.")) || name == "security.capability";
}

/// Unpacks the members of one archive, one after the other.
class Extractor {
 public:
  Extractor(const RootedDir& root, TarReader& reader, TarSplitWriter* split, const UnpackLimits& limits)
      : root_(root), reader_(reader), split_(split), limits_(limits), buffer_(256UL * 1024) {}
  /// Of a plain tar.
  Extractor(const RootedDir& root, TarReader& reader, const UnpackOptions& plain)
      : Extractor(root, reader, nullptr, static_cast<const UnpackLimits&>(plain)) {
    whiteouts_count_ = false;
    keep_kinds_ = plain.keep_kinds;
    climbing_symlinks_ = plain.climbing_symlinks;
    owner_ = plain.owner;
    if (plain.folder != ".") base_ = plain.folder + "/";
  }

  void extract(TarEntry entry);
  /// Directory times last: what is put into a directory changes its time.
  void finish();
  std::uint64_t size() const { return size_; }

 private:
  void select_parent(const std::string& path);
  void check_kinds(const TarEntry& entry) const;
  [[noreturn]] void fail(std::string_view doing) const { throw from_errno(errno, fmt::format("{} /{}", doing, path_)); }

  bool take_whiteout(const TarEntry& entry, std::string_view base);
  void make_opaque(int parent, const std::string& name);
  void hide(const TarEntry& entry, const std::string& name);
  void remove_existing();

  void apply_to_root(const TarEntry& entry);
  void make_directory(const TarEntry& entry);
  void make_file(const TarEntry& entry);
  void write_content(const TarEntry& entry, int fd);
  void make_hard_link(const TarEntry& entry);
  void make_symlink(const TarEntry& entry);
  void make_node(const TarEntry& entry);
  void set_attributes_by_fd(const TarEntry& entry, int fd);
  void set_attributes_by_name(const TarEntry& entry);
  void set_time(const TarEntry& entry);

  const RootedDir& root_;
  TarReader& reader_;
  TarSplitWriter* split_;  // null: no record is wanted
  const UnpackLimits limits_;
  bool whiteouts_count_ = true;
  bool keep_kinds_ = false;
  bool climbing_symlinks_ = false;
  std::optional<UnpackOptions::Owner> owner_;
  std::string base_;  // "" or "a/b/": what members' names are relative to
  std::vector<std::byte> buffer_;

  std::string parent_path_;  // of parent_, which stays open: members of one directory come together
  UniqueFd parent_;
  std::string path_;
  std::string name_;

  std::vector<std::pair<std::string, timespec>> directory_times_;
  std::uint64_t size_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t entries_ = 0;
};

void Extractor::select_parent(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
  path_ = path;
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  if (parent_ && parent == parent_path_) return;
  parent_ = root_.blocking_open_directory(parent);
  parent_path_ = parent;
}

void Extractor::check_kinds(const TarEntry& entry) const {
  struct stat status{};
  if (!keep_kinds_ || ::fstatat(parent_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  const bool becomes_directory = entry.type == TarEntry::Type::directory;
  if (S_ISDIR(status.st_mode) && !becomes_directory)
    throw Error::invalid_argument("cannot overwrite directory \"/{}\" with non-directory \"/{}\"", path_,
                                  base_.substr(0, base_.rfind('/')));
  if (!S_ISDIR(status.st_mode) && becomes_directory)
    throw Error::invalid_argument("cannot overwrite non-directory \"/{}\" with directory \"/{}\"", path_,
                                  base_.substr(0, base_.rfind('/')));
}

void Extractor::extract(TarEntry entry) {
  if (++entries_ > limits_.max_entries) throw Error::too_large("the archive has more than {} members", limits_.max_entries);
  const std::string path = clean_path(entry.name);
  if (climbs_out(path)) throw Error::invalid_argument("breakout attempt: \"{}\" is outside of the root", entry.name);
  if (path == "." && !whiteouts_count_) return;
  if (path == ".") return apply_to_root(entry);
  if (owner_) {
    entry.uid = owner_->uid;
    entry.gid = owner_->gid;
  }
  const auto slash = path.rfind('/');
  const std::string base = path.substr(slash == std::string::npos ? 0 : slash + 1);
  // aufs kept its own books under this name.
  if (whiteouts_count_ && path.starts_with(kAufsMeta) && path != kOpaque) return;
  select_parent(base_ + path);
  check_kinds(entry);
  if (whiteouts_count_ && take_whiteout(entry, base)) return;

  using enum TarEntry::Type;
  switch (entry.type) {
    case directory:
      return make_directory(entry);
    case file:
      return make_file(entry);
    case hard_link:
      return make_hard_link(entry);
    case symlink:
      return make_symlink(entry);
    case char_device:
    case block_device:
    case fifo:
      return make_node(entry);
  }
}

bool Extractor::take_whiteout(const TarEntry& entry, std::string_view base) {
  if (!base.starts_with(kWhiteout)) return false;
  if (base == kOpaque) {
    make_opaque(parent_.get(), ".");
    return true;
  }
  if (base.starts_with(kAufsMeta)) return true;
  const std::string hidden(base.substr(kWhiteout.size()));
  if (hidden.empty() || hidden == "." || hidden == "..")
    throw Error::invalid_argument("breakout attempt: invalid whiteout \"{}\"", entry.name);
  hide(entry, hidden);
  return true;
}

void Extractor::make_opaque(int parent, const std::string& name) {
  const UniqueFd directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory || ::fsetxattr(directory.get(), kOpaqueAttribute, "y", 1, 0) != 0) fail("make opaque");
}

void Extractor::hide(const TarEntry& entry, const std::string& name) {
  struct stat status{};
  const bool exists = ::fstatat(parent_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  // What this layer brings itself stays, wherever in the archive the whiteout stands: it hides only what is below.
  if (exists) {
    if (S_ISDIR(status.st_mode)) make_opaque(parent_.get(), name);
    return;
  }
  if (::mknodat(parent_.get(), name.c_str(), S_IFCHR, 0) != 0) fail("write the whiteout");
  if (::fchownat(parent_.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) fail("chown");
}

void Extractor::remove_existing() {
  struct stat status{};
  if (::fstatat(parent_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (split_ != nullptr) split_->forget();
  size_ -= std::min(size_, blocking_remove_tree(parent_.get(), name_));
  parent_path_.clear();  // what went may be on the way to the next member's directory
}

void Extractor::apply_to_root(const TarEntry& entry) {
  if (entry.type != TarEntry::Type::directory) throw Error::invalid_argument("breakout attempt: \"{}\" is the root", entry.name);
  path_ = name_ = ".";
  set_attributes_by_fd(entry, root_.fd());
  directory_times_.emplace_back(".", timespec_of(entry.mtime));
}

void Extractor::make_directory(const TarEntry& entry) {
  struct stat status{};
  bool replaces_whiteout = false;
  if (::fstatat(parent_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode)) {
    replaces_whiteout = whiteouts_count_ && is_whiteout(status);
    remove_existing();
  }
  if (::mkdirat(parent_.get(), name_.c_str(), 0700) != 0 && errno != EEXIST) fail("mkdir");
  const UniqueFd directory(::openat(parent_.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) fail("open");
  if (replaces_whiteout && ::fsetxattr(directory.get(), kOpaqueAttribute, "y", 1, 0) != 0) fail("make opaque");
  set_attributes_by_fd(entry, directory.get());
  directory_times_.emplace_back(path_, timespec_of(entry.mtime));
}

void Extractor::make_file(const TarEntry& entry) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd file(::openat(parent_.get(), name_.c_str(), kFlags, 0600));
  if (!file && errno == EEXIST) {
    remove_existing();
    file.reset(::openat(parent_.get(), name_.c_str(), kFlags, 0600));
  }
  if (!file) fail("create");
  write_content(entry, file.get());
  set_attributes_by_fd(entry, file.get());
  const std::array<timespec, 2> times{timespec_of(entry.mtime), timespec_of(entry.mtime)};
  if (::futimens(file.get(), times.data()) != 0) fail("set the time of");
  size_ += entry.size;
}

void Extractor::write_content(const TarEntry& entry, int fd) {
  const auto copy = [&](std::uint64_t length) {
    while (length > 0) {
      const std::size_t count = reader_.blocking_read(std::span(buffer_).first(std::min<std::uint64_t>(length, buffer_.size())));
      if (count == 0) throw Error::invalid_argument("unexpected EOF");
      written_ += count;
      if (written_ > limits_.max_bytes) throw Error::too_large("the archive unpacks to more than {} bytes", limits_.max_bytes);
      blocking_write_all(fd, std::span(buffer_).first(count), "write /" + path_);
      length -= count;
    }
  };
  if (!entry.is_sparse) {
    if (split_ != nullptr) split_->begin_content(path_, entry.size);
    return copy(entry.size);
  }
  for (const auto& extent : entry.extents) {
    if (::lseek(fd, static_cast<off_t>(extent.offset), SEEK_SET) < 0) fail("seek in");
    copy(extent.length);
  }
  if (::ftruncate(fd, static_cast<off_t>(entry.size)) != 0) fail("set the size of");
}

void Extractor::make_hard_link(const TarEntry& entry) {
  const std::string target = clean_path(entry.link);
  if (climbs_out(target) || target == ".") {
    throw Error::invalid_argument("breakout attempt: invalid hardlink \"{}\" -> \"{}\"", entry.name, entry.link);
  }
  if (base_ + target == path_) throw Error::invalid_argument("invalid hardlink \"{}\" -> \"{}\"", entry.name, entry.link);
  const auto slash = target.rfind('/');
  const UniqueFd directory = root_.open(base_ + (slash == std::string::npos ? "." : target.substr(0, slash)), O_PATH | O_DIRECTORY);
  const std::string base = target.substr(slash == std::string::npos ? 0 : slash + 1);
  struct stat status{};
  if (!directory || ::fstatat(directory.get(), base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(status.st_mode)) {
    throw Error::invalid_argument("invalid hardlink \"{}\" -> \"{}\": no such file in the archive", entry.name, entry.link);
  }
  const auto link = [&] { return ::linkat(directory.get(), base.c_str(), parent_.get(), name_.c_str(), 0) == 0; };
  if (link()) return;
  if (errno != EEXIST) fail("link");
  struct stat existing{};
  if (::fstatat(parent_.get(), name_.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0 && existing.st_ino == status.st_ino) return;
  remove_existing();
  if (!link()) fail("link");
}

void Extractor::make_symlink(const TarEntry& entry) {
  // An absolute target means the container's root and is everywhere; one that climbs above the root means nobody well.
  if (entry.link.empty()) throw Error::invalid_argument("invalid symlink \"{}\" -> \"\"", entry.name);
  if (!entry.link.starts_with('/') && !climbing_symlinks_) {
    const std::string path = path_.substr(base_.size());
    const auto slash = path.rfind('/');
    const std::string base = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    if (climbs_out(clean_path(base + entry.link))) {
      throw Error::invalid_argument("breakout attempt: invalid symlink \"{}\" -> \"{}\"", entry.name, entry.link);
    }
  }
  if (::symlinkat(entry.link.c_str(), parent_.get(), name_.c_str()) != 0) {
    if (errno != EEXIST) fail("symlink");
    remove_existing();
    if (::symlinkat(entry.link.c_str(), parent_.get(), name_.c_str()) != 0) fail("symlink");
  }
  size_ += entry.link.size();
  set_attributes_by_name(entry);
}

void Extractor::make_node(const TarEntry& entry) {
  remove_existing();
  const mode_t kind = entry.type == TarEntry::Type::fifo ? S_IFIFO : entry.type == TarEntry::Type::char_device ? S_IFCHR : S_IFBLK;
  if (kind == S_IFCHR && entry.device_major == 0 && entry.device_minor == 0) {
    throw Error::invalid_argument("invalid device \"{}\": a character device 0:0 would be a whiteout", entry.name);
  }
  const dev_t device = kind == S_IFIFO ? 0 : ::makedev(entry.device_major, entry.device_minor);
  if (::mknodat(parent_.get(), name_.c_str(), kind | 0600, device) != 0) fail("mknod");
  set_attributes_by_name(entry);
}

// In this order: a new owner takes setuid and capabilities away.
void Extractor::set_attributes_by_fd(const TarEntry& entry, int fd) {
  if (::fchown(fd, entry.uid, entry.gid) != 0) fail("chown");
  if (::fchmod(fd, entry.mode) != 0) fail("chmod");
  for (const auto& [name, value] : entry.xattrs) {
    if (!may_have_attribute(name)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != EOPNOTSUPP) fail("set an extended attribute of");
  }
}

void Extractor::set_attributes_by_name(const TarEntry& entry) {
  if (::fchownat(parent_.get(), name_.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) fail("chown");
  if (entry.type != TarEntry::Type::symlink) {  // fchmodat(2) would follow a link that somebody put in its place
    const UniqueFd node(::openat(parent_.get(), name_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!node || ::chmod(fmt::format("/proc/self/fd/{}", node.get()).c_str(), entry.mode) != 0) fail("chmod");
  }
  set_time(entry);
}

void Extractor::set_time(const TarEntry& entry) {
  const std::array<timespec, 2> times{timespec_of(entry.mtime), timespec_of(entry.mtime)};
  if (::utimensat(parent_.get(), name_.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) fail("set the time of");
}

void Extractor::finish() {
  for (const auto& [path, time] : directory_times_) {
    const UniqueFd directory = root_.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) continue;  // replaced by a later member
      path_ = path;
      fail("open");
    }
    const std::array<timespec, 2> times{time, time};
    if (::futimens(directory.get(), times.data()) != 0) {
      path_ = path;
      fail("set the time of");
    }
  }
}

}  // namespace

AppliedLayer blocking_apply_layer(const RootedDir& root, BlockingSource& source, const LayerOptions& options) {
  DecompressingSource plain(source);
  std::optional<TarSplitWriter> split;
  if (options.tar_split_file >= 0) split.emplace(plain, options.tar_split_file);
  HashingSource hashed(split ? static_cast<BlockingSource&>(*split) : plain);
  TarReader reader(hashed);
  Extractor extractor(root, reader, split ? &*split : nullptr, options);
  while (auto entry = reader.blocking_next()) extractor.extract(*std::move(entry));
  extractor.finish();
  AppliedLayer result{hashed.blocking_finish(), hashed.count(), extractor.size(), false};
  if (split) result.has_tar_split = split->blocking_finish();
  if (options.expected_diff_id && *options.expected_diff_id != result.diff_id) {
    throw Error::invalid_argument("invalid diffID for layer: expected \"{}\", got \"{}\"", options.expected_diff_id->str(),
                                  result.diff_id.str());
  }
  return result;
}

void blocking_unpack_tar(const RootedDir& root, BlockingSource& source, const UnpackOptions& options) {
  DecompressingSource plain(source);
  TarReader reader(plain, options.last_padding);
  Extractor extractor(root, reader, options);
  while (auto entry = reader.blocking_next()) extractor.extract(*std::move(entry));
  extractor.finish();
}

}  // namespace sockerless::oci
