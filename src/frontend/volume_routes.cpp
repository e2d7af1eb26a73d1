#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"

namespace sockerless::frontend {

namespace {

VolumeRole& volumes(Call& call) { return require(call.backend.volumes(), call.backend, "volumes"); }

}  // namespace

Task<void> list_volumes(Call& call) {
  api::VolumeListParams params = api::parse_volume_list_params(call.query);
  co_await reply(call, 200, co_await volumes(call).list(std::move(params.filters)));
}

Task<void> inspect_volume(Call& call) { co_await reply(call, 200, co_await volumes(call).inspect({call.id})); }

Task<void> create_volume(Call& call) {
  auto request = co_await read_json_body<api::VolumeCreateRequest>(call);
  if (request.cluster_volume_spec) throw Error::not_implemented("Sockerless does not support cluster volumes: use a local volume");
  co_await reply(call, 201, co_await volumes(call).create(std::move(request)));
}

Task<void> update_volume(Call& call) {
  throw Error::not_implemented("Sockerless does not support cluster volumes, the only ones that can be updated: create volume {} anew",
                               call.id);
  co_return;  // makes this a coroutine
}

Task<void> delete_volume(Call& call) {
  const api::VolumeDeleteParams params = api::parse_volume_delete_params(call.query);
  co_await volumes(call).remove({call.id}, call.since(25) && params.force ? Force::yes : Force::no);
  co_await reply_empty(call, 204);
}

Task<void> prune_volumes(Call& call) {
  api::VolumePruneParams params = api::parse_volume_prune_params(call.query);
  // Before 1.42 named volumes went as well, without being asked for.
  if (call.below(42) && !params.filters.contains("all")) params.filters.add("all", "true");
  co_await reply(call, 200, co_await volumes(call).prune(std::move(params.filters)));
}

}  // namespace sockerless::frontend
