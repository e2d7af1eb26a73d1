#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/filters.hpp"
#include "api/params.hpp"
#include "api/types.hpp"
#include "backend/refs.hpp"
#include "backend/streams.hpp"
#include "base/byte_source.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

// What a Docker daemon can do, in Docker's own terms and the types of its API document. Errors carry Docker's own words: not_found
// "No such container: x", conflict, not_modified for a start of what runs, invalid_argument. Every function may be called from any thread's
// strand; cancellation (`terminal`, `total`) leaves the object consistent.

namespace sockerless {

enum class Force { no, yes };
enum class RemoveVolumes { no, yes };
enum class WithSize { no, yes };
enum class WaitCondition { not_running, next_exit, removed };

struct EventOptions {
  std::optional<TimePoint> since;
  std::optional<TimePoint> until;
  api::Filters filters;
};

struct DiskUsageOptions {
  bool containers = true;
  bool images = true;
  bool volumes = true;
  bool build_cache = true;
};

class SystemRole {
 public:
  virtual ~SystemRole() = default;
  virtual Task<api::SystemInfo> info() = 0;
  /// Without the API versions, which are the frontend's.
  virtual Task<api::SystemVersion> version() = 0;
  virtual Task<api::SystemDataUsageResponse> disk_usage(DiskUsageOptions options) = 0;
  /// Past events since `since` first, then live ones until `until`.
  virtual Task<std::unique_ptr<EventStream>> events(EventOptions options) = 0;
};

struct CreateContainerOptions {
  std::string name;      ///< empty: the backend makes one
  std::string platform;  ///< "linux/amd64"; empty: any
  api::ContainerCreateRequest request;
};

struct ListContainersOptions {
  bool all = false;
  std::optional<std::int64_t> limit;
  WithSize size = WithSize::no;
  api::Filters filters;
};

struct StopOptions {
  std::optional<std::string> signal;
  std::optional<std::int64_t> timeout_seconds;  ///< negative: wait without end
};

struct RemoveContainerOptions {
  Force force = Force::no;
  RemoveVolumes volumes = RemoveVolumes::no;
  bool link = false;
};

struct LogOptions {
  bool follow = false;
  bool show_stdout = false;
  bool show_stderr = false;
  std::optional<TimePoint> since;
  std::optional<TimePoint> until;
  bool timestamps = false;
  bool details = false;
  std::optional<std::uint64_t> tail;  ///< lines counted from the end; nothing means all
};

struct AttachOptions {
  bool logs = false;    ///< what was written before
  bool stream = false;  ///< what is written from now on
  bool use_stdin = false;
  bool use_stdout = false;
  bool use_stderr = false;
  std::string detach_keys;  ///< "ctrl-p,ctrl-q"; empty: the default
};

class ContainerRole {
 public:
  virtual ~ContainerRole() = default;
  virtual Task<api::ContainerCreateResponse> create(CreateContainerOptions options) = 0;
  virtual Task<std::vector<api::ContainerSummary>> list(ListContainersOptions options) = 0;
  virtual Task<api::ContainerInspectResponse> inspect(ContainerRef container, WithSize size) = 0;
  virtual Task<void> start(ContainerRef container) = 0;
  virtual Task<void> stop(ContainerRef container, StopOptions options) = 0;
  virtual Task<void> restart(ContainerRef container, StopOptions options) = 0;
  /// @param signal  "SIGTERM", "TERM" or "15"; empty: SIGKILL.
  virtual Task<void> kill(ContainerRef container, std::string signal) = 0;
  virtual Task<void> pause(ContainerRef container) = 0;
  virtual Task<void> unpause(ContainerRef container) = 0;
  virtual Task<void> rename(ContainerRef container, std::string new_name) = 0;
  virtual Task<api::ContainerUpdateResponse> update(ContainerRef container, api::ContainerUpdateRequest request) = 0;
  /// Registers the wait, then returns; the result comes from the ContainerWait.
  virtual Task<std::unique_ptr<ContainerWait>> wait(ContainerRef container, WaitCondition condition) = 0;
  virtual Task<void> remove(ContainerRef container, RemoveContainerOptions options) = 0;
  virtual Task<api::ContainerPruneResponse> prune(api::Filters filters) = 0;
  virtual Task<OutputStream> logs(ContainerRef container, LogOptions options) = 0;
  /// Works on a container that is not started yet: its output is seen from the first byte.
  virtual Task<std::unique_ptr<AttachSession>> attach(ContainerRef container, AttachOptions options) = 0;
  virtual Task<void> resize(ContainerRef container, TerminalSize size) = 0;
  /// @param ps_args  arguments of ps(1); empty: "-ef".
  virtual Task<api::ContainerTopResponse> top(ContainerRef container, std::string ps_args) = 0;
};

struct StatsOptions {
  bool stream = true;
  bool one_shot = false;
};

class StatsRole {
 public:
  virtual ~StatsRole() = default;
  virtual Task<std::unique_ptr<StatsStream>> stats(ContainerRef container, StatsOptions options) = 0;
};

/// What HEAD /containers/{id}/archive tells; `mode` has the bits of Go's os.FileMode.
struct PathStat {
  std::string name;
  std::int64_t size = 0;
  std::uint32_t mode = 0;
  TimePoint mtime;
  std::string link_target;
};

struct PutArchiveOptions {
  std::string path;
  bool no_overwrite_dir_non_dir = false;
  bool copy_uid_gid = false;
};

struct ArchiveStream {
  PathStat stat;
  std::unique_ptr<ByteSource> tar;
};

/// A container's files from outside.
class FilesRole {
 public:
  virtual ~FilesRole() = default;
  virtual Task<PathStat> stat_path(ContainerRef container, std::string path) = 0;
  virtual Task<ArchiveStream> get_archive(ContainerRef container, std::string path) = 0;
  virtual Task<void> put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) = 0;
  virtual Task<std::unique_ptr<ByteSource>> export_files(ContainerRef container) = 0;
  virtual Task<std::vector<api::FilesystemChange>> changes(ContainerRef container) = 0;
};

struct ExecStartOptions {
  bool detach = false;
  bool tty = false;
  std::optional<TerminalSize> console_size;
};

class ExecRole {
 public:
  virtual ~ExecRole() = default;
  virtual Task<api::IDResponse> create(ContainerRef container, api::ContainerExecRequest request) = 0;
  /// Starts the process. Null when `detach` was asked for.
  virtual Task<std::unique_ptr<AttachSession>> start(ExecRef exec, ExecStartOptions options) = 0;
  virtual Task<void> resize(ExecRef exec, TerminalSize size) = 0;
  /// ExitCode is known as soon as the session's output has ended.
  virtual Task<api::ExecInspectResponse> inspect(ExecRef exec) = 0;
};

struct ListImagesOptions {
  bool all = false;
  bool shared_size = false;
  bool digests = false;
  api::Filters filters;
};

struct RemoveImageOptions {
  Force force = Force::no;
  bool no_prune = false;
};

/// POST /images/create with fromSrc: a root file system's tar becomes an image.
struct ImportImageOptions {
  std::string repo;  ///< empty: untagged
  std::string tag;
  std::string message;
  std::string platform;
  std::string source;  ///< fromSrc as given: "-" for the body
  std::vector<std::string> changes;
};

class ImageRole {
 public:
  virtual ~ImageRole() = default;
  virtual Task<std::vector<api::ImageSummary>> list(ListImagesOptions options) = 0;
  virtual Task<api::ImageInspect> inspect(ImageRef image) = 0;
  virtual Task<std::vector<api::ImageHistoryResponseItem>> history(ImageRef image) = 0;
  virtual Task<void> tag(ImageRef image, std::string repo, std::string tag) = 0;
  virtual Task<std::vector<api::ImageDeleteResponseItem>> remove(ImageRef image, RemoveImageOptions options) = 0;
  virtual Task<api::ImagePruneResponse> prune(api::Filters filters) = 0;
  virtual Task<ProgressStream> load(std::unique_ptr<ByteSource> archive, bool quiet) = 0;
  virtual Task<ProgressStream> import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) = 0;
  /// A docker-archive of the images, tags included.
  virtual Task<std::unique_ptr<ByteSource>> save(std::vector<ImageRef> images) = 0;
};

struct PullImageOptions {
  std::string image;  ///< fromImage as given
  std::string tag;    ///< tag or digest; empty: what the image says, else latest
  std::string platform;
  std::optional<api::AuthConfig> auth;
};

struct PushImageOptions {
  ImageRef image;
  std::string tag;  ///< empty: all tags
  std::optional<api::AuthConfig> auth;
};

struct SearchImagesOptions {
  std::string term;
  std::optional<std::int64_t> limit;
  api::Filters filters;
};

/// What needs a registry.
class RegistryRole {
 public:
  virtual ~RegistryRole() = default;
  virtual Task<ProgressStream> pull(PullImageOptions options) = 0;
  virtual Task<ProgressStream> push(PushImageOptions options) = 0;
  virtual Task<std::vector<api::ImageSearchResponseItem>> search(SearchImagesOptions options) = 0;
  virtual Task<api::DistributionInspect> inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) = 0;
  virtual Task<api::AuthResponse> auth(api::AuthConfig credentials) = 0;
};

class BuildRole {
 public:
  virtual ~BuildRole() = default;
  virtual Task<ProgressStream> build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) = 0;
  virtual Task<api::BuildPruneResponse> prune_cache(api::Filters filters) = 0;
};

class CommitRole {
 public:
  virtual ~CommitRole() = default;
  virtual Task<api::IDResponse> commit(api::ImageCommitParams params, api::ContainerConfig config) = 0;
};

class NetworkRole {
 public:
  virtual ~NetworkRole() = default;
  /// Full objects; the frontend leaves out what the negotiated version does not list.
  virtual Task<std::vector<api::NetworkInspect>> list(api::Filters filters) = 0;
  virtual Task<api::NetworkInspect> inspect(NetworkRef network) = 0;
  virtual Task<api::NetworkCreateResponse> create(api::NetworkCreateRequest request) = 0;
  virtual Task<void> remove(NetworkRef network) = 0;
  virtual Task<void> connect(NetworkRef network, api::NetworkConnectRequest request) = 0;
  virtual Task<void> disconnect(NetworkRef network, api::NetworkDisconnectRequest request) = 0;
  virtual Task<api::NetworkPruneResponse> prune(api::Filters filters) = 0;
};

class VolumeRole {
 public:
  virtual ~VolumeRole() = default;
  virtual Task<api::VolumeListResponse> list(api::Filters filters) = 0;
  virtual Task<api::Volume> inspect(VolumeRef volume) = 0;
  virtual Task<api::Volume> create(api::VolumeCreateRequest request) = 0;
  virtual Task<void> remove(VolumeRef volume, Force force) = 0;
  virtual Task<api::VolumePruneResponse> prune(api::Filters filters) = 0;
};

}  // namespace sockerless
