#pragma once
// For programs that run the docker command today: start this container, wait until it is healthy, show me its log.
//
//   Result<DockerManager> docker = DockerManager::from_environment();
//   if (!docker) return fail(docker.error());
//   auto started = docker->start_container({.name = "db", .image = "postgres:16", .ports = {{.container_port = 5432}}});
//   if (!started) return fail(started.error());
//   auto health = docker->wait_for_healthy("db", std::chrono::seconds(30));

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sockerless/client.hpp"
#include "sockerless/container_info.hpp"
#include "sockerless/credentials.hpp"
#include "sockerless/updates.hpp"

namespace sockerless {

/// What a container should be.
struct ContainerSpec {
  std::string name = {};
  std::string image = {};
  std::vector<std::string> command = {};  ///< empty: the image's
  std::map<std::string, std::string> environment = {};
  std::map<std::string, std::string> labels = {};
  std::vector<PortMapping> ports = {};
  std::vector<std::string> volumes = {};   ///< "data:/var/lib/data", "/srv/www:/www:ro"
  std::string network = {};                ///< empty: the daemon's default
  std::string restart_policy = {};         ///< "no", "always", "unless-stopped", "on-failure"; empty: "no"
  api::ContainerCreateRequest other = {};  ///< all else the API knows; the members above win over it
};

/// How start_container goes about it.
struct StartOptions {
  enum class Pull : std::uint8_t { missing, always, never };
  enum class TakenPort : std::uint8_t {
    refuse,     ///< the daemon's error
    next_free,  ///< the next higher port that is free; after 16 tries whichever the daemon chooses
  };
  Pull pull = Pull::missing;
  TakenPort taken_port = TakenPort::refuse;
  /// Who one is at the image's registry; nullopt: what `docker login` stored for it.
  std::optional<RegistryCredentials> registry = {};
};

/// What start_container did.
struct StartedContainer {
  ContainerInfo info = {};
  bool was_created = false;  ///< false: there was one of that name and configuration
  bool was_started = false;  ///< false: it ran already
  bool was_pulled = false;
  std::vector<std::string> warnings = {};  ///< the daemon's
};

/// Which containers are listed.
struct ListOptions {
  bool all = false;  ///< also those that do not run
  Filters filters = {};
};

/// Which part of a log is read.
struct ContainerLogOptions {
  bool follow = false;                     ///< goes on until the container ends
  std::optional<std::uint64_t> tail = {};  ///< at most so many lines counted from the end; nullopt: all
  std::optional<TimePoint> since = {};     ///< lines stamped at or after this instant
  std::optional<TimePoint> until = {};     ///< lines stamped before or at it
  bool timestamps = false;                 ///< each line begins with its time
  bool standard_output = true;
  bool standard_error = true;
};

/// What goes with a container that is removed.
struct RemoveOptions {
  bool force = false;    ///< kills it if it runs
  bool volumes = false;  ///< with its anonymous volumes
};

/// Containers by name, on top of Client: what a program wants, in as many calls as that takes.
///
/// Every function takes CallOptions; its `timeout` is for all that the function does, its `stop` ends it with `cancelled`. Nothing throws.
/// Names may also be ids. Threads: any, at the same time. Copies share the connections.
/// @errors (all) those of Client's calls.
class DockerManager {
 public:
  explicit DockerManager(Client client) : client_(std::move(client)) {}
  static Result<DockerManager> open(DockerConfig config = {});
  /// For the daemon that this user's docker command would talk to.
  static Result<DockerManager> from_environment();

  /// @errors not_found.
  Result<ContainerInfo> get_container_info(std::string_view name, CallOptions options = {}) const;
  Result<std::vector<ContainerInfo>> list_containers(const ListOptions& which = {}, CallOptions options = {}) const;

  /// The container runs when this succeeds: an existing one of that name if its configuration is what the spec asks for, else a new one,
  /// whose image is pulled where it is missing. Nothing is left of a container that was created and could not be started.
  ///
  /// A configuration matches when everything that the spec names is so in the container; what the spec leaves open may be anything. The
  /// image must be the one that its name means now.
  /// @errors conflict, code 0: there is a container of that name and it is different; the message lists how. unknown: the spec cannot be
  ///         used. Otherwise the daemon's.
  Result<StartedContainer> start_container(const ContainerSpec& spec, const StartOptions& how = {}, CallOptions options = {}) const;
  /// Succeeds if it does not run. @param grace  before it is killed; nullopt: the container's own, else 10 s.
  Result<void> stop(std::string_view name, std::optional<std::chrono::seconds> grace = {}, CallOptions options = {}) const;
  Result<void> restart(std::string_view name, std::optional<std::chrono::seconds> grace = {}, CallOptions options = {}) const;
  /// @errors not_found. conflict: it runs, and RemoveOptions::force is not set.
  Result<void> remove(std::string_view name, const RemoveOptions& how = {}, CallOptions options = {}) const;

  /// What the container printed. A stream has no time limit of its own.
  Result<OutputReader> logs(std::string_view name, const ContainerLogOptions& which = {}, CallOptions options = {}) const;

  Result<ServiceHealth> health(std::string_view name, CallOptions options = {}) const;
  /// Waits until the container is ready (ServiceHealth::is_ready), by its events: nothing is polled. It need not have been started yet.
  /// @errors timeout: not in time; the message has the last health check's output. conflict, code 0: it ended, and will not be started
  ///         again by itself. not_found: there is none, or it was removed.
  Result<ServiceHealth> wait_for_healthy(std::string_view name, std::chrono::milliseconds timeout, CallOptions options = {}) const;

  /// Updates to iterate. The stream is open when this returns.
  Result<UpdateReader> watch(const WatchOptions& which = {}) const;
  /// Updates on a thread of the subscription's own.
  Result<Subscription> subscribe(UpdateListener listener, const WatchOptions& which = {}) const;

  const Client& client() const { return client_; }

 private:
  Client client_;
};

}  // namespace sockerless
