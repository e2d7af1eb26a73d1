#include <algorithm>
#include <utility>

#include "api/version.hpp"
#include "backends/docker/failures.hpp"
#include "backends/docker/requests.hpp"
#include "backends/docker/roles.hpp"

namespace sockerless::docker {

namespace {

/// Since this version a prune takes anonymous volumes only, unless its filter `all` says otherwise.
constexpr api::ApiVersion kCarefulPrune{1, 42};

std::int64_t size_of(const api::SystemDataUsageResponse& usage, const std::string& name) {
  if (!usage.volumes) return 0;
  const auto it = std::ranges::find(*usage.volumes, name, &api::Volume::name);
  return it == usage.volumes->end() || !it->usage_data ? 0 : std::max<std::int64_t>(it->usage_data->size, 0);
}

/// What a prune means today, from a daemon whose prune would take the named volumes as well.
Task<api::VolumePruneResponse> prune_anonymous(const AsyncClient& client, api::Filters filters) {
  filters.add("dangling", "true");
  const api::VolumeListResponse unused = co_await value_of(client.volume_list({.filters = std::move(filters)}));
  const api::SystemDataUsageResponse usage = co_await value_of(client.system_data_usage());
  api::VolumePruneResponse response;
  auto& deleted = response.volumes_deleted.emplace();
  std::int64_t reclaimed = 0;
  for (const api::Volume& volume : unused.volumes.value_or(std::vector<api::Volume>{})) {
    if (!is_anonymous_volume(volume.name)) continue;
    const Result<void> removed = co_await client.volume_delete(volume.name);
    if (!removed && removed.error().type == DockerErrorType::conflict) continue;  // a container has taken it meanwhile
    take(removed);
    deleted.push_back(volume.name);
    reclaimed += size_of(usage, volume.name);
  }
  response.space_reclaimed = reclaimed;
  co_return response;
}

}  // namespace

Task<api::VolumeListResponse> DaemonVolumes::list(api::Filters filters) {
  return value_of(client_.volume_list({.filters = std::move(filters)}));
}

Task<api::Volume> DaemonVolumes::inspect(VolumeRef volume) { return value_of(client_.volume_inspect(volume.text)); }

Task<api::Volume> DaemonVolumes::create(api::VolumeCreateRequest request) { return value_of(client_.volume_create(request)); }

Task<void> DaemonVolumes::remove(VolumeRef volume, Force force) {
  return value_of(client_.volume_delete(volume.text, {.force = force == Force::yes}));
}

Task<api::VolumePruneResponse> DaemonVolumes::prune(api::Filters filters) {
  const auto version = api::ApiVersion::parse(co_await value_of(client_.api_version()));
  if (version < kCarefulPrune) {
    const bool all = filters.boolean_or("all", false);
    filters.remove("all");  // which such a daemon does not know
    if (!all) co_return co_await prune_anonymous(client_, std::move(filters));
  }
  co_return co_await value_of(client_.volume_prune({.filters = std::move(filters)}));
}

}  // namespace sockerless::docker
