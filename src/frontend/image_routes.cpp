// Images: what answers at once. Transfers (pull, push, load, save, build) are in image_transfer_routes.cpp.

#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/platform.hpp"
#include "frontend/routes.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

ImageRole& images(Call& call) { return require(call.backend.images(), call.backend, "images"); }

}  // namespace

Task<void> list_images(Call& call) {
  api::ImageListParams params = api::parse_image_list_params(call.query);
  if (call.below(25) && !params.filter.empty()) params.filters.add("reference", params.filter);
  if (params.identity && !params.manifests && call.since(54)) throw Error::invalid_argument("identity needs manifests");
  std::vector<api::ImageSummary> list = co_await images(call).list({.all = params.all,
                                                                    .shared_size = call.since(42) && params.shared_size,
                                                                    .digests = params.digests,
                                                                    .filters = std::move(params.filters)});
  for (api::ImageSummary& image : list) shape(image, call.version);
  co_await reply(call, 200, list);
}

Task<void> inspect_image(Call& call) {
  const api::ImageInspectParams params = api::parse_image_inspect_params(call.query);
  if (call.since(49) && params.manifests && !params.platform.empty()) {
    throw Error::invalid_argument("conflicting options: manifests and platform options cannot both be set");
  }
  api::ImageInspect image = co_await images(call).inspect({call.id});
  if (call.since(49)) check_platform(image, call.id, params.platform);
  shape(image, call.version);
  co_await reply(call, 200, image);
}

Task<void> image_history(Call& call) {
  const api::ImageHistoryParams params = api::parse_image_history_params(call.query);
  if (call.since(48) && !params.platform.empty()) check_platform(co_await images(call).inspect({call.id}), call.id, params.platform);
  co_await reply(call, 200, co_await images(call).history({call.id}));
}

Task<void> image_attestations(Call& call) {
  throw Error::not_implemented("the {} backend does not support image attestations", call.backend.capabilities().backend);
  co_return;  // makes this a coroutine
}

Task<void> tag_image(Call& call) {
  const api::ImageTagParams params = api::parse_image_tag_params(call.query);
  co_await images(call).tag({call.id}, params.repo, params.tag);
  co_await reply_empty(call, 201);
}

Task<void> delete_image(Call& call) {
  const api::ImageDeleteParams params = api::parse_image_delete_params(call.query);
  if (call.since(50) && !params.platforms.empty()) {
    throw Error::not_implemented("the {} backend keeps one platform of an image: remove the image as a whole",
                                 call.backend.capabilities().backend);
  }
  co_await reply(call, 200,
                 co_await images(call).remove({call.id}, {.force = params.force ? Force::yes : Force::no, .no_prune = params.noprune}));
}

Task<void> prune_images(Call& call) {
  api::ImagePruneParams params = api::parse_image_prune_params(call.query);
  co_await reply(call, 200, co_await images(call).prune(std::move(params.filters)));
}

Task<void> search_images(Call& call) {
  api::ImageSearchParams params = api::parse_image_search_params(call.query);
  RegistryRole& registry = require(call.backend.registry(), call.backend, "searching registries");
  co_await reply(call, 200, co_await registry.search({.term = params.term, .limit = params.limit, .filters = std::move(params.filters)}));
}

Task<void> commit_image(Call& call) {
  const api::ImageCommitParams params = api::parse_image_commit_params(call.query);
  auto config = co_await read_json_body<api::ContainerConfig>(call);
  CommitRole& committer = require(call.backend.committer(), call.backend, "committing containers");
  co_await reply(call, 201, co_await committer.commit(params, std::move(config)));
}

}  // namespace sockerless::frontend
