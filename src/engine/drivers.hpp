#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/params.hpp"
#include "api/types.hpp"
#include "backend/streams.hpp"
#include "base/byte_source.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/file_driver.hpp"

// The drivers: all that a new place to run containers has to bring. Docker's semantics (names, states, filters, waits, events, restart
// policies, health checks, attach and log reading) are the engine's; a driver only does what it is told, on objects the engine has already
// checked. Every function may be called from any strand; calls for one container come one at a time, except that reading logs, stdin,
// signal(), resize() and exec() overlap with anything.

namespace sockerless {

// ---- workloads

/// A mount with everything resolved: volumes have their path, defaults are filled in.
struct MountSpec {
  enum class Kind { bind, volume, tmpfs, image };
  Kind kind = Kind::bind;
  std::string source;       ///< path on the host (bind, volume); an image's id
  std::string destination;  ///< absolute path in the container
  std::string volume_name;  ///< for a volume; for an image the name it was asked for by
  bool read_only = false;
  std::string propagation;  ///< "rprivate", ...; empty: the default
  std::string tmpfs_options;
  std::string subpath{};                   ///< the part of a volume or image that is mounted; empty: all of it
  bool non_recursive = false;              ///< what is mounted below the source stays outside
  bool read_only_non_recursive = false;    ///< what is mounted below may be written
  bool read_only_force_recursive = false;  ///< an error where the host cannot make that read-only too
  bool create_source = false;              ///< -v semantics: a missing directory on the host is made
  bool copy_from_image = false;            ///< a new volume takes over what the image has at the destination
};

/// One container as a driver sees it. `config` is already merged with the image's configuration.
struct WorkloadSpec {
  ContainerId id;
  std::string name;                    ///< without the slash
  std::string image_id;                ///< "sha256:..."
  std::vector<std::string> arguments;  ///< entrypoint and command; never empty
  api::ContainerConfig config;
  api::HostConfig host_config;
  std::vector<MountSpec> mounts;
  std::string network_mode;  ///< "none", "host", "bridge" (the default network), "container:<id>" or a network's name
};

struct WorkloadStarted {
  std::int64_t pid = 0;  ///< on the host; 0 where there is none
  TimePoint started_at;
};

/// How a run ended. Never made up: a driver that does not know says so in `error` and gives 137.
struct WorkloadExit {
  int exit_code = 0;
  bool oom_killed = false;
  TimePoint finished_at;
  std::string error;
};

/// A start that did not happen. Message in Docker's words; the exit code is what the container shows (127 no such command, 126 not
/// executable, 128 anything else).
class StartFailure : public Error {
 public:
  StartFailure(int exit_code, ErrorCode code, std::string message) : Error(code, std::move(message)), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

enum class StdStream : std::uint8_t { out = 1, err = 2 };

/// A piece of output as it was read from the container: not a line, lines may span records.
struct LogRecord {
  StdStream stream = StdStream::out;
  TimePoint time;
  std::span<const std::byte> payload;  ///< valid until the reader's next call
};

/// Reads one container's log from an offset onward. The log is the buffer: a slow reader costs nobody anything.
class LogReader {
 public:
  virtual ~LogReader() = default;
  /// The next records, in order, as many as are conveniently there; empty when there are no more now.
  virtual Task<std::span<const LogRecord>> next() = 0;
  /// Returns when there may be more than was read, or the run that wrote it is over. Cancellation: terminal, total.
  virtual Task<void> wait_for_more() = 0;
  /// True when no run writes to this log any more: an empty next() after that is the end.
  virtual bool is_over() = 0;
};

/// Where reading starts.
struct LogPosition {
  std::uint64_t offset = 0;         ///< opaque, at a record's boundary
  std::uint64_t surplus_lines = 0;  ///< lines to drop from there to get what was asked for (tail)
};

struct StreamSelection {
  bool out = true;
  bool err = true;
};

/// A process's stdin.
class StdinWriter {
 public:
  virtual ~StdinWriter() = default;
  /// Waits until all of it is taken. @errors unavailable: the process has closed its stdin or ended.
  virtual Task<void> write(std::span<const std::byte> input) = 0;
  /// The process reads end-of-file after what was written.
  virtual Task<void> close() = 0;
};

struct ExecSpec {
  ExecId id;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< complete: the container's and the exec's own
  std::string user;                      ///< empty: the container's
  std::string working_dir;               ///< empty: the container's
  bool tty = false;
  bool privileged = false;
  bool attach_stdin = false;
  bool attach_stdout = false;
  bool attach_stderr = false;
  std::optional<TerminalSize> console_size;
};

/// A process that runs inside a running container.
class ExecProcess {
 public:
  virtual ~ExecProcess() = default;
  virtual std::int64_t pid() const = 0;
  /// The next output; its stream tag is meaningless with a terminal. Nothing: both streams have ended.
  virtual Task<std::optional<LogRecord>> read() = 0;
  virtual StdinWriter* standard_input() = 0;  ///< null when attach_stdin is false
  virtual Task<void> resize(TerminalSize size) = 0;
  /// Ends the process with SIGKILL; wait() then tells how it ended. Idempotent.
  virtual Task<void> kill() { throw Error::not_implemented("this backend cannot end a process that it started in a container"); }
  /// The exit code; may be awaited at any time, also after read() has ended.
  virtual Task<int> wait() = 0;
};

/// What is found after a restart of the daemon.
struct RestoredWorkload {
  ContainerId id;
  std::optional<WorkloadStarted> running;  ///< set: it runs, wait() will tell its end
  std::optional<WorkloadExit> exit;        ///< set: its last run ended while nobody looked; neither: it never ran
};

/// Where a container's files lie on the host, for inspect; the first four from its first start on. Empty: there are none.
struct WorkloadPaths {
  std::string resolv_conf;
  std::string hostname;
  std::string hosts;
  std::string log;
  std::map<std::string, std::string> layers;  ///< GraphDriver.Data
};

class WorkloadDriver {
 public:
  virtual ~WorkloadDriver() = default;

  /// Makes room for a new container: its writable layer. Fails with nothing left behind.
  /// @return warnings for create: what is approximated or ignored.
  virtual Task<std::vector<std::string>> prepare(WorkloadSpec spec) = 0;
  /// Starts a run; earlier output stays in the log. @errors StartFailure; the container can be started again or removed.
  virtual Task<WorkloadStarted> start(WorkloadSpec spec) = 0;
  /// The end of the current run. One waiter a run: the engine's supervisor. Cancellation leaves the run alone.
  virtual Task<WorkloadExit> wait(ContainerId id) = 0;
  /// @errors not_found: it does not run.
  virtual Task<void> signal(ContainerId id, int signal_number) = 0;
  virtual Task<void> pause(ContainerId id) = 0;
  virtual Task<void> unpause(ContainerId id) = 0;
  virtual Task<void> resize(ContainerId id, TerminalSize size) = 0;
  /// Applies changed resources of `spec.host_config` to a container, running or not.
  virtual Task<void> update(WorkloadSpec spec) = 0;
  /// Ends whatever is left of it and removes its files and log. Idempotent.
  virtual Task<void> remove(ContainerId id) = 0;

  /// The log as it stands: where a reader would see only what is written from now on.
  virtual Task<LogPosition> log_end(ContainerId id) = 0;
  /// A position from which the last `lines` lines of the selected streams are read.
  virtual Task<LogPosition> log_tail(ContainerId id, std::uint64_t lines, StreamSelection streams) = 0;
  virtual Task<std::unique_ptr<LogReader>> open_log(ContainerId id, LogPosition from) = 0;
  /// The stdin of the current run; null when the container was made without OpenStdin.
  virtual Task<std::unique_ptr<StdinWriter>> open_stdin(ContainerId id) = 0;

  /// @errors StartFailure (126, 127) when the command cannot be run.
  virtual Task<std::unique_ptr<ExecProcess>> exec(WorkloadSpec spec, ExecSpec exec) = 0;
  virtual Task<api::ContainerTopResponse> top(ContainerId id, std::string ps_args) = 0;
  /// One sample, without the previous one's fields. @errors not_implemented.
  virtual Task<api::ContainerStatsResponse> stats(ContainerId id) = 0;
  /// Bytes in the writable layer.
  virtual Task<std::int64_t> writable_size(ContainerId id) = 0;

  /// Asked for with every inspect.
  virtual Task<WorkloadPaths> paths(ContainerId, [[maybe_unused]] std::string image_id) { co_return WorkloadPaths{}; }

  /// Called once at start with the ids the engine knows. Anything else that is found is removed.
  virtual Task<std::vector<RestoredWorkload>> restore(std::vector<ContainerId> known) = 0;
  virtual Task<void> stop() = 0;

  /// What is in containers, from outside; null where that cannot be had.
  virtual FileDriver* files() { return nullptr; }

  /// Facts for GET /info: Driver, CgroupDriver, CgroupVersion, Runtimes, SecurityOptions, KernelVersion, ...; the engine fills the rest.
  virtual Task<api::SystemInfo> facts() = 0;
};

// ---- images

/// What an image is, apart from its names. `config` is the document whose digest is the id.
struct ImageFacts {
  std::string id;      ///< "sha256:..."
  std::string parent;  ///< empty or an id
  std::string comment;
  std::string author;
  std::string architecture;
  std::string variant;
  std::string os;
  std::optional<TimePoint> created;
  std::int64_t size = 0;            ///< bytes of all layers, unpacked
  std::vector<std::string> layers;  ///< diff ids
  api::ImageConfig config;
  std::vector<api::ImageHistoryResponseItem> history;  ///< newest first, as GET /images/{name}/history; Tags are the engine's
};

/// An image with the names an archive or registry gave it ("busybox:latest").
struct NamedImage {
  ImageFacts facts;
  std::vector<std::string> references;
  std::string repo_digest;  ///< "busybox@sha256:..."; empty: none
};

/// Receives progress lines; write() takes one JSON object without the line end. Waits while the client reads slowly.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual Task<void> write(std::string json_line) = 0;
};

struct ImportSpec {
  std::string message;
  std::string platform;
  std::vector<std::string> changes;  ///< Dockerfile instructions
};

/// An image to be made of a container.
struct CommitSpec {
  std::string parent;  ///< the container's image
  std::string container;
  api::ContainerConfig container_config;
  api::ContainerConfig config;  ///< the image's, before the changes
  std::string author;
  std::string comment;
  std::vector<std::string> changes;  ///< Dockerfile instructions
};

struct PullSpec {
  std::string reference;  ///< canonical: "docker.io/library/busybox:latest"
  std::string platform;
  std::optional<api::AuthConfig> auth;
  std::string current_id = {};  ///< of the image that has this name now; empty: none
};

struct PushSpec {
  NamedImage image;       ///< what is pushed
  std::string reference;  ///< canonical, with its tag
  std::optional<api::AuthConfig> auth;
};

/// Keeps image content; names and tags are the engine's.
class ImageDriver {
 public:
  virtual ~ImageDriver() = default;
  /// Every complete image in the store; remains of interrupted work are removed first.
  virtual Task<std::vector<ImageFacts>> restore() = 0;
  /// Reads a docker-archive or OCI layout. All or nothing.
  virtual Task<std::vector<NamedImage>> load(std::unique_ptr<ByteSource> archive, ProgressSink& progress) = 0;
  virtual Task<ImageFacts> import(ImportSpec spec, std::unique_ptr<ByteSource> tar, ProgressSink& progress) = 0;
  /// Puts a layer on the parent's. Only called where the workload driver has files(). @errors not_found: the parent is gone.
  virtual Task<ImageFacts> commit(CommitSpec spec, std::unique_ptr<ByteSource>) {
    throw Error::not_implemented("this backend cannot make an image of the container {}", spec.container);
  }
  /// Writes Docker's lines, "Digest" and "Status" included. @errors not_implemented: see can_pull().
  virtual Task<NamedImage> pull(PullSpec spec, ProgressSink& progress) = 0;
  virtual bool can_pull() const = 0;
  /// One tag of an image. @return the manifest's digest.
  virtual Task<std::string> push(PushSpec, ProgressSink&) {
    throw Error::not_implemented("this backend cannot push images: use docker save");
    co_return std::string();
  }
  virtual Task<std::vector<api::ImageSearchResponseItem>> search(std::string, std::int64_t, std::optional<api::AuthConfig>) {
    throw Error::not_implemented("this backend cannot search a registry");
    co_return std::vector<api::ImageSearchResponseItem>();
  }
  /// @param reference  canonical, with tag or digest.
  virtual Task<api::DistributionInspect> inspect_distribution(std::string, std::optional<api::AuthConfig>) {
    throw Error::not_implemented("this backend cannot ask a registry about an image");
    co_return api::DistributionInspect();
  }
  virtual Task<api::AuthResponse> log_in(api::AuthConfig) {
    throw Error::not_implemented("this backend cannot log in to a registry");
    co_return api::AuthResponse();
  }
  /// @errors not_implemented.
  virtual Task<std::unique_ptr<ByteSource>> save(std::vector<NamedImage> images) = 0;
  /// Removes the image and every layer no other image uses. @return the diff ids' chain that went, for the "Deleted" lines.
  virtual Task<std::vector<std::string>> remove(std::string image_id) = 0;
};

// ---- networks

/// A network as the engine stores it.
struct NetworkSpec {
  NetworkId id;
  std::string name;
  api::NetworkCreateRequest request;  ///< with the IPAM filled in
};

/// A container on its networks, as the engine knows it after a restart of the daemon.
struct NetworkMember {
  WorkloadSpec workload;
  std::map<std::string, api::EndpointSettings> endpoints{};  ///< by the networks' names
  std::vector<api::PortSummary> ports{};
};

class NetworkDriver {
 public:
  virtual ~NetworkDriver() = default;
  /// False: only the predefined networks bridge, host and none exist; creating one is not_implemented.
  virtual bool has_user_networks() const = 0;
  virtual Task<void> create(NetworkSpec network) = 0;
  virtual Task<void> remove(NetworkSpec network) = 0;
  /// Joins a container to a network; on a running one at once.
  virtual Task<void> connect(NetworkSpec network, WorkloadSpec workload, api::EndpointSettings endpoint) = 0;
  virtual Task<void> disconnect(NetworkSpec network, WorkloadSpec workload) = 0;

  // What only networks on a real host need.

  /// Subnets that an automatic choice has to keep away from.
  virtual Task<std::vector<std::string>> taken_subnets() { co_return std::vector<std::string>(); }
  /// False: another program has this port. Does not block.
  virtual bool can_bind(const std::string&, const std::string&, std::uint16_t) { return true; }
  /// At a start, between the last connect() and the workload's start. @param ports  those with a public port lead to the container.
  /// @errors internal, in Docker's words: another program has a port.
  virtual Task<void> publish(WorkloadSpec, std::string /*endpoint_id*/, std::vector<api::PortSummary>) { co_return; }
  /// When a run is over, or its start failed: all that it had on networks goes. The disconnect() of each comes after.
  virtual Task<void> release(ContainerId) { co_return; }
  /// Called once at start, before anything else. Whatever else is found is removed.
  virtual Task<void> restore(std::vector<NetworkSpec>, std::vector<NetworkMember>) { co_return; }
  virtual Task<void> stop() { co_return; }
};

// ---- volumes

class VolumeDriver {
 public:
  virtual ~VolumeDriver() = default;
  /// @return the mount point (Mountpoint of inspect).
  virtual Task<std::string> create(std::string name, std::map<std::string, std::string> options) = 0;
  virtual Task<void> remove(std::string name) = 0;
  /// Bytes used; -1: unknown.
  virtual Task<std::int64_t> size(std::string name) = 0;
};

// ---- builds

/// An image to build. `params` are checked by the engine: names, labels and arguments are in the members.
struct BuildSpec {
  api::ImageBuildParams params;
  std::map<std::string, std::optional<std::string>> arguments;
  std::map<std::string, std::string> labels;
};

/// A build that did not succeed, in Docker's words.
class BuildFailure : public Error {
 public:
  BuildFailure(int exit_code, std::string message) : Error(ErrorCode::internal, std::move(message)), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }  ///< of the RUN that failed; 0: something else failed

 private:
  int exit_code_;
};

/// The images that a build names.
class BaseImages {
 public:
  virtual ~BaseImages() = default;
  /// The id of an image, which is pulled first where it is missing or the client asks for it. @errors as pulling it.
  virtual Task<std::string> get(std::string reference, ProgressSink& progress) = 0;
};

class BuildDriver {
 public:
  virtual ~BuildDriver() = default;
  /// Builds into the store of the ImageDriver. All or nothing. Progress is what Docker's classic builder writes, without the end.
  /// @errors BuildFailure; invalid_argument: the Dockerfile. Cancellation: terminal, total; nothing of the build runs on.
  virtual Task<ImageFacts> build(BuildSpec spec, std::unique_ptr<ByteSource> context, BaseImages& bases, ProgressSink& progress) = 0;
  /// Forgets the steps kept for later builds. @return bytes that are free again.
  virtual Task<std::int64_t> prune() = 0;
};

/// What a backend hands to the engine.
struct Drivers {
  std::unique_ptr<WorkloadDriver> workloads;
  std::unique_ptr<ImageDriver> images;
  std::unique_ptr<NetworkDriver> networks;
  std::unique_ptr<VolumeDriver> volumes;
  std::unique_ptr<BuildDriver> builder = {};  ///< null: images are not built here
};

}  // namespace sockerless
