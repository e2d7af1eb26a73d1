#include "backend/internal_server.hpp"

#include <memory>
#include <string>
#include <utility>

#include "backend/internal_router.hpp"

namespace sockerless {

namespace internal {

namespace {

RoleList roles_of(Backend& backend) {
  RoleList list;
  const auto add = [&](const void* role, const char* name) {
    if (role != nullptr) list.roles.emplace_back(name);
  };
  add(backend.stats(), "stats");
  add(backend.files(), "files");
  add(backend.exec(), "exec");
  add(backend.images(), "images");
  add(backend.registry(), "registry");
  add(backend.builder(), "builder");
  add(backend.committer(), "committer");
  add(backend.networks(), "networks");
  add(backend.volumes(), "volumes");
  return list;
}

Task<RoleList> list_roles(Backend& backend, std::string, None, None) { co_return roles_of(backend); }

NetworkRole& networks(Backend& backend) { return require(backend.networks(), backend, "networks"); }
VolumeRole& volumes(Backend& backend) { return require(backend.volumes(), backend, "volumes"); }

void add_system_routes(Router& router) {
  router.add(net::Method::get, routes::kCapabilities,
             [](Request& request) { return respond_json(request.exchange, kOk, to_json(request.backend.capabilities())); });
  router.add(routes::kRoles, list_roles);
  router.add(routes::kInfo, [](Backend& b, std::string, None, None) { return b.system().info(); });
  router.add(routes::kVersion, [](Backend& b, std::string, None, None) { return b.system().version(); });
  router.add(routes::kDiskUsage, [](Backend& b, std::string, DiskUsageOptions options, None) { return b.system().disk_usage(options); });
  router.add(routes::kEvents, +[](Backend& b, std::string, EventOptions options) { return b.system().events(std::move(options)); });
}

void add_network_routes(Router& router) {
  router.add(routes::kNetworkList, [](Backend& b, std::string, FiltersQuery q, None) { return networks(b).list(std::move(q.filters)); });
  router.add(routes::kNetworkInspect, [](Backend& b, std::string id, None, None) { return networks(b).inspect({std::move(id)}); });
  router.add(routes::kNetworkCreate,
             [](Backend& b, std::string, None, api::NetworkCreateRequest body) { return networks(b).create(std::move(body)); });
  router.add(routes::kNetworkRemove, [](Backend& b, std::string id, None, None) { return networks(b).remove({std::move(id)}); });
  router.add(routes::kNetworkConnect, [](Backend& b, std::string id, None, api::NetworkConnectRequest body) {
    return networks(b).connect({std::move(id)}, std::move(body));
  });
  router.add(routes::kNetworkDisconnect, [](Backend& b, std::string id, None, api::NetworkDisconnectRequest body) {
    return networks(b).disconnect({std::move(id)}, std::move(body));
  });
  router.add(routes::kNetworkPrune, [](Backend& b, std::string, FiltersQuery q, None) { return networks(b).prune(std::move(q.filters)); });
}

void add_volume_routes(Router& router) {
  router.add(routes::kVolumeList, [](Backend& b, std::string, FiltersQuery q, None) { return volumes(b).list(std::move(q.filters)); });
  router.add(routes::kVolumeInspect, [](Backend& b, std::string id, None, None) { return volumes(b).inspect({std::move(id)}); });
  router.add(routes::kVolumeCreate,
             [](Backend& b, std::string, None, api::VolumeCreateRequest body) { return volumes(b).create(std::move(body)); });
  router.add(routes::kVolumeRemove,
             [](Backend& b, std::string id, ForceQuery q, None) { return volumes(b).remove({std::move(id)}, q.force); });
  router.add(routes::kVolumePrune, [](Backend& b, std::string, FiltersQuery q, None) { return volumes(b).prune(std::move(q.filters)); });
}

}  // namespace

}  // namespace internal

net::Handler make_internal_server(Backend& backend) {
  auto router = std::make_shared<internal::Router>();
  internal::add_system_routes(*router);
  internal::add_container_routes(*router);
  internal::add_image_routes(*router);
  internal::add_network_routes(*router);
  internal::add_volume_routes(*router);
  // Shared because a handler can be copied; the routes never change.
  return [router = std::shared_ptr<const internal::Router>(std::move(router)), &backend](net::Exchange& exchange) {
    return router->handle(backend, exchange);
  };
}

}  // namespace sockerless
