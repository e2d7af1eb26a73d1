#include "engine/files_service.hpp"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

/// A container's turn with what it needs.
struct HeldTurn {
  ContainerPtr record;  // outlives the turn
  OperationLock::Guard turn;
};

/// An archive that is being read, and the files it is read from, which hold the container's turn where that is needed.
class HeldArchive final : public ByteSource {
 public:
  HeldArchive(std::unique_ptr<ContainerFiles> files, std::unique_ptr<ByteSource> tar) : files_(std::move(files)), tar_(std::move(tar)) {}

  Task<std::span<const std::byte>> next() override {
    if (!tar_) co_return std::span<const std::byte>();
    const auto piece = co_await tar_->next();
    if (!piece.empty()) co_return piece;
    tar_.reset();  // it holds the mounts too
    co_await files_->close();
    files_.reset();
    co_return std::span<const std::byte>();
  }

 private:
  std::unique_ptr<ContainerFiles> files_;
  std::unique_ptr<ByteSource> tar_;
};

/// filepath.Clean of Go for an absolute path.
std::string clean_absolute(std::string_view path) {
  std::vector<std::string_view> names;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, slash - at);
    at = slash + 1;
    if (name == ".." && !names.empty()) names.pop_back();
    if (!name.empty() && name != "." && name != "..") names.push_back(name);
  }
  return "/" + fmt::format("{}", fmt::join(names, "/"));
}

std::string join(const std::string& folder, const std::string& name) { return clean_absolute(folder + "/" + name); }

/// A file that is not there is told by the path and the container as they were given.
template <typename T>
Task<T> or_file_not_found(Task<T> work, std::string path, std::string container) {
  std::optional<Error> failure;
  try {
    co_return co_await std::move(work);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure->code() != ErrorCode::not_found) throw Error(*failure);
  throw Error::not_found("Could not find the file {} in container {}", path, container);
}

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

/// @errors forbidden: the folder is in a volume or a root that is read-only.
void check_writable(const WorkloadSpec& spec, const std::string& folder) {
  for (const MountSpec& mount : spec.mounts) {
    if (mount.kind == MountSpec::Kind::tmpfs || !is_below(folder, clean_absolute(mount.destination))) continue;
    if (mount.read_only || mount.kind == MountSpec::Kind::image) throw Error::forbidden("mounted volume is marked read-only");
    return;
  }
  if (spec.host_config.readonly_rootfs.value_or(false)) throw Error::forbidden("container rootfs is marked read-only");
}

/// @param path  what parse() made of the client's. @param folder  its folder, links followed.
Task<PathStat> stat_of(ContainerFiles* files, std::string text, ArchivePath path, std::string folder) {
  const FileStat found = co_await files->stat(join(folder, path.name));
  if ((path.name.empty() || path.name == ".") && !S_ISDIR(found.mode)) throw Error::internal("lstat {}: not a directory", text);
  PathStat stat{path.base, found.size, go_file_mode(found.mode), found.mtime, {}};
  if (S_ISLNK(found.mode)) stat.link_target = co_await files->follow_links(ArchivePath::clean(text));
  co_return stat;
}

}  // namespace

std::uint32_t go_file_mode(std::uint32_t mode) {
  constexpr std::uint32_t kDirectory = 1U << 31;
  constexpr std::uint32_t kSymlink = 1U << 27;
  constexpr std::uint32_t kDevice = 1U << 26;
  constexpr std::uint32_t kNamedPipe = 1U << 25;
  constexpr std::uint32_t kSocket = 1U << 24;
  constexpr std::uint32_t kSetuid = 1U << 23;
  constexpr std::uint32_t kSetgid = 1U << 22;
  constexpr std::uint32_t kCharDevice = 1U << 21;
  constexpr std::uint32_t kSticky = 1U << 20;
  std::uint32_t result = mode & 0777U;
  if (S_ISDIR(mode)) result |= kDirectory;
  if (S_ISLNK(mode)) result |= kSymlink;
  if (S_ISBLK(mode)) result |= kDevice;
  if (S_ISCHR(mode)) result |= kDevice | kCharDevice;
  if (S_ISFIFO(mode)) result |= kNamedPipe;
  if (S_ISSOCK(mode)) result |= kSocket;
  if ((mode & S_ISUID) != 0) result |= kSetuid;
  if ((mode & S_ISGID) != 0) result |= kSetgid;
  if ((mode & S_ISVTX) != 0) result |= kSticky;
  return result;
}

std::string ArchivePath::clean(std::string_view path) {
  std::string cleaned = clean_absolute(path);
  const auto last = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
  if (last == "." && cleaned != "/") return cleaned + "/.";
  if (last == ".") return "/.";
  if (last.empty() && cleaned != "/") return cleaned + "/";
  return cleaned;
}

ArchivePath ArchivePath::parse(std::string_view path) {
  const std::string whole = clean(path);
  const std::size_t slash = whole.rfind('/');
  ArchivePath result{whole.substr(0, slash + 1), whole.substr(slash + 1), {}};
  std::string_view base = whole;
  while (base.ends_with('/')) base.remove_suffix(1);
  result.base = base.empty() ? "/" : std::string(base.substr(base.rfind('/') + 1));
  return result;
}

/// A container's files, which hold its turn unless it runs.
struct FilesService::Opened {
  ContainerPtr record;
  std::unique_ptr<ContainerFiles> files;
};

Task<FilesService::Opened> FilesService::open(std::string name, FileAccess access) {
  const auto held = std::make_shared<HeldTurn>(context_.containers.get(name));
  const ContainerPtr record = held->record;
  held->turn = co_await record->operations.acquire();
  const auto state = record->state();
  if (record->is_removed() || state->status() == ContainerStatus::removing || state->status() == ContainerStatus::dead)
    throw Error::not_found("No such container: {}", name);
  OpenedFiles found = co_await driver_.open(record->definition()->spec, access);
  // The driver knows, not the state from before: the container may have ended in between.
  if (!found.is_running) found.files->keep(held);
  co_return Opened{record, std::move(found.files)};
}

Task<PathStat> FilesService::stat_path(ContainerRef container, std::string path) {
  Opened opened = co_await open(container.text, FileAccess::read);
  const ArchivePath parsed = ArchivePath::parse(path);
  const std::string folder = co_await opened.files->follow_links(parsed.folder);
  PathStat stat = co_await or_file_not_found(stat_of(opened.files.get(), path, parsed, folder), path, container.text);
  co_await opened.files->close();
  co_return stat;
}

Task<ArchiveStream> FilesService::get_archive(ContainerRef container, std::string path) {
  Opened opened = co_await open(container.text, FileAccess::read);
  const ArchivePath parsed = ArchivePath::parse(path);
  const std::string folder = co_await opened.files->follow_links(parsed.folder);
  ArchiveStream result;
  result.stat = co_await or_file_not_found(stat_of(opened.files.get(), path, parsed, folder), path, container.text);
  auto tar = co_await opened.files->read(join(folder, parsed.name), parsed.base == "/" ? "" : parsed.base);
  lifecycle_.publish(*opened.record, "archive-path");
  result.tar = std::make_unique<HeldArchive>(std::move(opened.files), std::move(tar));
  co_return result;
}

Task<void> FilesService::put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) {
  Opened opened = co_await open(container.text, FileAccess::write);
  const WorkloadSpec spec = opened.record->definition()->spec;
  const std::string folder = co_await opened.files->follow_links(ArchivePath::clean(options.path));
  const FileStat found = co_await or_file_not_found(opened.files->stat(folder), options.path, container.text);
  if (!S_ISDIR(found.mode)) throw Error::invalid_argument("extraction point is not a directory");
  check_writable(spec, folder);
  WriteFilesOptions how{options.no_overwrite_dir_non_dir, {}};
  if (options.copy_uid_gid) how.owner = spec.config.user.value_or("");
  co_await opened.files->write(folder, std::move(how), std::move(tar));
  lifecycle_.publish(*opened.record, "extract-to-dir");
  co_await opened.files->close();
}

Task<std::unique_ptr<ByteSource>> FilesService::export_files(ContainerRef container) {
  Opened opened = co_await open(container.text, FileAccess::own_root);
  auto tar = co_await opened.files->read_all();
  lifecycle_.publish(*opened.record, "export");
  co_return std::make_unique<HeldArchive>(std::move(opened.files), std::move(tar));
}

Task<std::vector<api::FilesystemChange>> FilesService::changes(ContainerRef container) {
  const auto record = context_.containers.get(container.text);
  const auto turn = co_await record->operations.acquire();
  if (record->is_removed()) throw Error::not_found("No such container: {}", container.text);
  co_return co_await driver_.changes(record->definition()->spec);
}

}  // namespace sockerless
