// Images on their way in and out: pull, import, push, load, save, build; and what only a registry knows.

#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/platform.hpp"
#include "frontend/routes.hpp"
#include "frontend/streams.hpp"

namespace sockerless::frontend {

namespace {

ImageRole& images(Call& call) { return require(call.backend.images(), call.backend, "images"); }
BuildRole& builder(Call& call) { return require(call.backend.builder(), call.backend, "building images"); }

Task<void> pull(Call& call, api::ImageCreateParams params) {
  RegistryRole& registry = require(call.backend.registry(), call.backend, "pulling images: load or import them instead");
  co_await send_progress(call, co_await registry.pull({.image = params.from_image,
                                                       .tag = params.tag,
                                                       .platform = call.since(32) ? params.platform : std::string(),
                                                       .auth = registry_auth(call)}));
}

Task<void> import(Call& call, api::ImageCreateParams params) {
  ImportImageOptions options{.repo = params.repo,
                             .tag = params.tag,
                             .message = params.message,
                             .platform = call.since(32) ? params.platform : std::string(),
                             .source = params.from_src,
                             .changes = params.changes};
  co_await send_progress(call, co_await images(call).import(std::move(options), body_source(call.exchange)));
}

Task<void> push(Call& call, api::ImagePushParams params) {
  RegistryRole& registry = require(call.backend.registry(), call.backend, "pushing images: save them instead");
  if (call.since(46) && !params.platform.empty()) check_platform(co_await images(call).inspect({call.id}), call.id, params.platform);
  co_await send_progress(call, co_await registry.push({.image = {call.id}, .tag = params.tag, .auth = registry_auth(call)}));
}

Task<void> load(Call& call, bool quiet) { co_await send_progress(call, co_await images(call).load(body_source(call.exchange), quiet)); }

/// From 1.48 on a client may name the platform that it wants of an image, up to 1.51 only one.
std::string one_platform(const Call& call, const std::vector<std::string>& platforms) {
  if (call.below(48) || platforms.empty()) return {};
  if (platforms.size() > 1) throw Error::invalid_argument("multiple platform parameters not supported");
  return platforms.front();
}

Task<void> save(Call& call, std::vector<ImageRef> names, std::string platform) {
  if (!platform.empty()) {
    for (const ImageRef& name : names) check_platform(co_await images(call).inspect(name), name.text, platform);
  }
  co_await send_source(call, {{"Content-Type", "application/x-tar"}}, co_await images(call).save(std::move(names)));
}

Task<void> build(Call& call, api::ImageBuildParams params) {
  co_await send_progress(call, co_await builder(call).build(std::move(params), body_source(call.exchange)));
}

}  // namespace

Task<void> create_image(Call& call) {
  api::ImageCreateParams params = api::parse_image_create_params(call.query, call.headers());
  if (!params.from_image.empty()) co_return co_await while_client_stays(call, pull(call, std::move(params)));
  if (params.from_src.empty()) throw Error::invalid_argument("either fromImage or fromSrc must be given");
  co_await while_client_stays(call, import(call, std::move(params)));
}

Task<void> push_image(Call& call) {
  co_await while_client_stays(call, push(call, api::parse_image_push_params(call.query, call.headers())));
}

Task<void> load_images(Call& call) {
  const api::ImageLoadParams params = api::parse_image_load_params(call.query);
  if (!one_platform(call, params.platform).empty()) {
    throw Error::not_implemented("the {} backend loads an archive as a whole: leave out --platform", call.backend.capabilities().backend);
  }
  // dockerd takes an absent `quiet` for yes.
  co_await while_client_stays(call, load(call, call.query.boolean_or("quiet", true)));
}

Task<void> get_image(Call& call) {
  const api::ImageGetParams params = api::parse_image_get_params(call.query);
  co_await while_client_stays(call, save(call, {{call.id}}, one_platform(call, params.platform)));
}

Task<void> get_images(Call& call) {
  const api::ImageGetAllParams params = api::parse_image_get_all_params(call.query);
  std::vector<ImageRef> names;
  for (const std::string& name : params.names) names.push_back({name});
  co_await while_client_stays(call, save(call, std::move(names), one_platform(call, params.platform)));
}

Task<void> build_image(Call& call) {
  BuildRole& role = builder(call);
  std::ignore = role;  // a backend that cannot build says so before it looks at anything
  api::ImageBuildParams params = api::parse_image_build_params(call.query, call.headers());
  if (params.version == "2" || !params.session.empty()) {
    throw Error::not_implemented("BuildKit is not served here: build with DOCKER_BUILDKIT=0, or use buildx's docker-container driver");
  }
  co_await while_client_stays(call, build(call, std::move(params)));
}

Task<void> prune_builds(Call& call) {
  api::BuildPruneParams params = api::parse_build_prune_params(call.query);
  // Who does not build has no cache: there is nothing to remove, and `docker system prune` goes on.
  BuildRole* role = call.backend.builder();
  const api::BuildPruneResponse nothing{.caches_deleted = {}, .space_reclaimed = 0, .unknown = {}};
  co_await reply(call, 200, role == nullptr ? nothing : co_await role->prune_cache(std::move(params.filters)));
}

Task<void> cancel_build(Call& call) {
  throw Error::not_implemented("the {} backend does not support cancelling a build by its id: close the build's connection instead",
                               call.backend.capabilities().backend);
  co_return;  // makes this a coroutine
}

Task<void> inspect_distribution(Call& call) {
  RegistryRole& registry = require(call.backend.registry(), call.backend, "looking images up in registries");
  co_await reply(call, 200, co_await registry.inspect_distribution(call.id, registry_auth(call)));
}

}  // namespace sockerless::frontend
