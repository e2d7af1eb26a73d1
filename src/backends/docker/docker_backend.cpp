#include "backends/docker/docker_backend.hpp"

#include <chrono>
#include <utility>

#include "api/version.hpp"
#include "backends/docker/failures.hpp"
#include "backends/docker/relay_connections.hpp"
#include "backends/docker/requests.hpp"
#include "backends/docker/roles.hpp"
#include "backends/docker/streams.hpp"
#include "base/log.hpp"
#include "sdk_calls.hpp"
#include "sockerless/discovery.hpp"

namespace sockerless {

namespace docker {

// ---- system

Task<api::SystemInfo> DaemonSystem::info() { return value_of(client_.system_info()); }

Task<api::SystemVersion> DaemonSystem::version() { return value_of(client_.system_version()); }

Task<api::SystemDataUsageResponse> DaemonSystem::disk_usage(DiskUsageOptions options) {
  api::SystemDataUsageResponse usage = co_await value_of(client_.system_data_usage(params_of(options)));
  keep_only(usage, options);
  co_return usage;
}

Task<std::unique_ptr<EventStream>> DaemonSystem::events(EventOptions options) {
  co_return make_events(co_await value_of(client_.system_events(params_of(options))));
}

// ---- networks

Task<std::vector<api::NetworkInspect>> DaemonNetworks::list(api::Filters filters) {
  return value_of(json_call<std::vector<api::NetworkInspect>>(client_, describe_network_list({.filters = std::move(filters)})));
}

Task<api::NetworkInspect> DaemonNetworks::inspect(NetworkRef network) { return value_of(client_.network_inspect(network.text)); }

Task<api::NetworkCreateResponse> DaemonNetworks::create(api::NetworkCreateRequest request) {
  // Since 1.44 a name is always checked; older daemons make two networks of one name unless they are asked.
  if (!request.check_duplicate) request.check_duplicate = true;
  return value_of(client_.network_create(request));
}

Task<void> DaemonNetworks::remove(NetworkRef network) { return value_of(client_.network_delete(network.text)); }

Task<void> DaemonNetworks::connect(NetworkRef network, api::NetworkConnectRequest request) {
  return value_of(client_.network_connect(network.text, request));
}

Task<void> DaemonNetworks::disconnect(NetworkRef network, api::NetworkDisconnectRequest request) {
  return value_of(client_.network_disconnect(network.text, request));
}

Task<api::NetworkPruneResponse> DaemonNetworks::prune(api::Filters filters) {
  return value_of(client_.network_prune({.filters = std::move(filters)}));
}

}  // namespace docker

namespace {

using namespace std::chrono_literals;

Logger log("docker");

constexpr auto kWaitBetweenPings = 500ms;

Capabilities docker_capabilities() {
  return {.backend = "docker",
          .version = SOCKERLESS_VERSION,
          .exec = true,
          .attach = true,
          .logs = true,
          .logs_follow = true,
          .volumes = true,
          .networks = true,
          .health_checks = true,
          .image_pull = true,
          .image_load = true,
          .max_timeout_seconds = 0,
          .agent_required = false};
}

class DockerBackend final : public Backend {
 public:
  explicit DockerBackend(DockerBackendOptions options)
      : when_absent_(options.when_absent), client_(docker::take(AsyncClient::open(std::move(options.daemon)))) {}

  const Capabilities& capabilities() const override { return capabilities_; }
  SystemRole& system() override { return system_; }
  ContainerRole& containers() override { return containers_; }
  StatsRole* stats() override { return &stats_; }
  FilesRole* files() override { return &files_; }
  ExecRole* exec() override { return &exec_; }
  ImageRole* images() override { return &images_; }
  RegistryRole* registry() override { return &registry_; }
  BuildRole* builder() override { return &builder_; }
  CommitRole* committer() override { return &committer_; }
  NetworkRole* networks() override { return &networks_; }
  VolumeRole* volumes() override { return &volumes_; }
  RelayRole* relay() override { return relay_.get(); }

  Task<void> start() override {
    const std::string daemon = client_.config().daemon().str();
    for (std::string told;;) {
      const Result<PingInfo> pong = co_await client_.ping();
      if (pong) {
        log.info("connected daemon={} api_version={}", daemon, pong->api_version);
        co_return;
      }
      const std::string failure = "failed to connect to Docker daemon: " + pong.error().message;
      if (when_absent_ == WhenAbsent::fail) throw Error(docker::error_of(pong.error()).code(), failure);
      if (failure != told) log.warn("{} waiting=true", failure);
      told = failure;
      co_await sleep_for(kWaitBetweenPings);
    }
  }

  /// The daemon and its containers go on; the connections close with the client.
  Task<void> stop() override { co_return; }

 private:
  const Capabilities capabilities_ = docker_capabilities();
  const WhenAbsent when_absent_;
  const AsyncClient client_;  // any thread
  docker::DaemonSystem system_{client_};
  docker::DaemonContainers containers_{client_};
  docker::DaemonStats stats_{client_};
  docker::DaemonFiles files_{client_};
  docker::DaemonExec exec_{client_};
  docker::DaemonImages images_{client_};
  docker::DaemonRegistry registry_{client_};
  docker::DaemonBuilder builder_{client_};
  docker::DaemonCommitter committer_{client_};
  docker::DaemonNetworks networks_{client_};
  docker::DaemonVolumes volumes_{client_};
  const std::unique_ptr<RelayRole> relay_ = make_relay_connections(link_of(client_));
};

}  // namespace

DockerConfig docker_config_of(const std::string& host, const std::string& api_version) {
  const Result<DiscoveredEndpoint> found = discover_endpoint(process_host_environment(), {.host = host, .context = {}});
  if (!found) throw Error::invalid_argument("{}", found.error().message);
  DockerConfig config = DockerConfig::for_daemon(*found);
  config.user_agent = std::string("sockerless-backend-docker/") + SOCKERLESS_VERSION;
  if (api_version.empty()) return config;
  const std::string_view number = api_version.starts_with('v') ? std::string_view(api_version).substr(1) : api_version;
  const auto version = api::ApiVersion::find(number);
  if (!version) throw Error::invalid_argument("\"{}\" is not a version of Docker's API: write it as 1.44", api_version);
  config.api_version = version->str();
  return config;
}

std::unique_ptr<Backend> make_docker_backend(DockerBackendOptions options) { return std::make_unique<DockerBackend>(std::move(options)); }

}  // namespace sockerless
