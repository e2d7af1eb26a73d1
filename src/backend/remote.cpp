#include "backend/remote.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "backend/remote_roles.hpp"

namespace sockerless {

namespace internal {

namespace {

class RemoteEventStream final : public EventStream {
 public:
  explicit RemoteEventStream(std::unique_ptr<ByteSource> lines) : lines_(std::move(lines)) {}
  Task<std::optional<api::EventMessage>> next() override {
    const auto line = co_await lines_.next();
    if (!line) co_return std::nullopt;
    co_return Wire::parse_answer<api::EventMessage>(*line);
  }

 private:
  LineReader lines_;
};

}  // namespace

// ---- system

Task<api::SystemInfo> RemoteSystem::info() { return wire_.call(routes::kInfo, {}, {}, {}); }

Task<api::SystemVersion> RemoteSystem::version() { return wire_.call(routes::kVersion, {}, {}, {}); }

Task<api::SystemDataUsageResponse> RemoteSystem::disk_usage(DiskUsageOptions options) {
  return wire_.call(routes::kDiskUsage, {}, options, {});
}

Task<std::unique_ptr<EventStream>> RemoteSystem::events(EventOptions options) {
  co_return std::make_unique<RemoteEventStream>(co_await wire_.items(routes::kEvents, {}, std::move(options)));
}

// ---- networks

Task<std::vector<api::NetworkInspect>> RemoteNetworks::list(api::Filters filters) {
  return wire_.call(routes::kNetworkList, {}, {.filters = std::move(filters)}, {});
}

Task<api::NetworkInspect> RemoteNetworks::inspect(NetworkRef network) {
  return wire_.call(routes::kNetworkInspect, std::move(network.text), {}, {});
}

Task<api::NetworkCreateResponse> RemoteNetworks::create(api::NetworkCreateRequest request) {
  return wire_.call(routes::kNetworkCreate, {}, {}, std::move(request));
}

Task<void> RemoteNetworks::remove(NetworkRef network) { return wire_.call(routes::kNetworkRemove, std::move(network.text), {}, {}); }

Task<void> RemoteNetworks::connect(NetworkRef network, api::NetworkConnectRequest request) {
  return wire_.call(routes::kNetworkConnect, std::move(network.text), {}, std::move(request));
}

Task<void> RemoteNetworks::disconnect(NetworkRef network, api::NetworkDisconnectRequest request) {
  return wire_.call(routes::kNetworkDisconnect, std::move(network.text), {}, std::move(request));
}

Task<api::NetworkPruneResponse> RemoteNetworks::prune(api::Filters filters) {
  return wire_.call(routes::kNetworkPrune, {}, {.filters = std::move(filters)}, {});
}

// ---- volumes

Task<api::VolumeListResponse> RemoteVolumes::list(api::Filters filters) {
  return wire_.call(routes::kVolumeList, {}, {.filters = std::move(filters)}, {});
}

Task<api::Volume> RemoteVolumes::inspect(VolumeRef volume) { return wire_.call(routes::kVolumeInspect, std::move(volume.text), {}, {}); }

Task<api::Volume> RemoteVolumes::create(api::VolumeCreateRequest request) {
  return wire_.call(routes::kVolumeCreate, {}, {}, std::move(request));
}

Task<void> RemoteVolumes::remove(VolumeRef volume, Force force) {
  return wire_.call(routes::kVolumeRemove, std::move(volume.text), {.force = force}, {});
}

Task<api::VolumePruneResponse> RemoteVolumes::prune(api::Filters filters) {
  return wire_.call(routes::kVolumePrune, {}, {.filters = std::move(filters)}, {});
}

}  // namespace internal

namespace {

namespace routes = internal::routes;

class RemoteBackend final : public Backend {
 public:
  explicit RemoteBackend(RemoteOptions options) : wire_(std::move(options)) {}

  const Capabilities& capabilities() const override { return capabilities_; }

  SystemRole& system() override { return system_; }
  ContainerRole& containers() override { return containers_; }
  StatsRole* stats() override { return offered(stats_, "stats"); }
  FilesRole* files() override { return offered(files_, "files"); }
  ExecRole* exec() override { return offered(exec_, "exec"); }
  ImageRole* images() override { return offered(images_, "images"); }
  RegistryRole* registry() override { return offered(registry_, "registry"); }
  BuildRole* builder() override { return offered(builder_, "builder"); }
  CommitRole* committer() override { return offered(committer_, "committer"); }
  NetworkRole* networks() override { return offered(networks_, "networks"); }
  VolumeRole* volumes() override { return offered(volumes_, "volumes"); }

  Task<void> start() override {
    capabilities_ = parse_capabilities(co_await wire_.exchange(
        internal::make_outgoing(net::Method::get, routes::kCapabilities, {}, internal::None{}), {}, internal::Patience::bounded));
    roles_ = (co_await wire_.call(routes::kRoles, {}, {}, {})).roles;
  }

  /// The other process goes on.
  Task<void> stop() override { co_return; }

 private:
  template <typename Role>
  Role* offered(Role& role, std::string_view name) {
    return std::ranges::find(roles_, name) != roles_.end() ? &role : nullptr;
  }

  internal::Wire wire_;
  // Set by start(), never changed.
  Capabilities capabilities_;
  std::vector<std::string> roles_;

  internal::RemoteSystem system_{wire_};
  internal::RemoteContainers containers_{wire_};
  internal::RemoteStats stats_{wire_};
  internal::RemoteFiles files_{wire_};
  internal::RemoteExec exec_{wire_};
  internal::RemoteImages images_{wire_};
  internal::RemoteRegistry registry_{wire_};
  internal::RemoteBuilder builder_{wire_};
  internal::RemoteCommitter committer_{wire_};
  internal::RemoteNetworks networks_{wire_};
  internal::RemoteVolumes volumes_{wire_};
};

}  // namespace

std::unique_ptr<Backend> make_remote_backend(RemoteOptions options) { return std::make_unique<RemoteBackend>(std::move(options)); }

}  // namespace sockerless
