#include <utility>

#include "backends/docker/failures.hpp"
#include "backends/docker/requests.hpp"
#include "backends/docker/roles.hpp"
#include "backends/docker/streams.hpp"
#include "sdk_calls.hpp"

namespace sockerless::docker {

namespace {

/// What takes as long as the images are large, or as the registry is slow, before the daemon says anything.
Task<RawStream> open_patiently(const AsyncClient& client, Call call) {
  call.patience = Call::Patience::endless;
  return value_of(raw_answer(client, std::move(call)));
}

}  // namespace

// ---- images

Task<std::vector<api::ImageSummary>> DaemonImages::list(ListImagesOptions options) {
  return value_of(client_.image_list(params_of(options)));
}

Task<api::ImageInspect> DaemonImages::inspect(ImageRef image) { return value_of(client_.image_inspect(image.text)); }

Task<std::vector<api::ImageHistoryResponseItem>> DaemonImages::history(ImageRef image) {
  return value_of(client_.image_history(image.text));
}

Task<void> DaemonImages::tag(ImageRef image, std::string repo, std::string tag) {
  return value_of(client_.image_tag(image.text, {.repo = std::move(repo), .tag = std::move(tag)}));
}

Task<std::vector<api::ImageDeleteResponseItem>> DaemonImages::remove(ImageRef image, RemoveImageOptions options) {
  return value_of(client_.image_delete(image.text, params_of(options)));
}

Task<api::ImagePruneResponse> DaemonImages::prune(api::Filters filters) {
  return value_of(client_.image_prune({.filters = std::move(filters)}));
}

Task<ProgressStream> DaemonImages::load(std::unique_ptr<ByteSource> archive, bool quiet) {
  Call call = describe_image_load({.quiet = quiet, .platform = {}});
  co_return co_await upload_with_progress(co_await value_of(raw_upload(client_, std::move(call))), std::move(archive));
}

Task<ProgressStream> DaemonImages::import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) {
  Call call = describe_image_create(params_of(options));
  // Anything but "-" is an address that the daemon reads itself.
  if (options.source != "-") co_return make_progress(co_await open_patiently(client_, std::move(call)));
  co_return co_await upload_with_progress(co_await value_of(raw_upload(client_, std::move(call))), std::move(tar));
}

Task<std::unique_ptr<ByteSource>> DaemonImages::save(std::vector<ImageRef> images) {
  api::ImageGetAllParams params;
  for (ImageRef& image : images) params.names.push_back(std::move(image.text));
  co_return make_bytes(co_await open_patiently(client_, describe_image_get_all(params)));
}

// ---- registries

Task<ProgressStream> DaemonRegistry::pull(PullImageOptions options) {
  co_return make_progress(co_await open_patiently(client_, describe_image_create(params_of(options))));
}

Task<ProgressStream> DaemonRegistry::push(PushImageOptions options) {
  co_return make_progress(co_await open_patiently(client_, describe_image_push(options.image.text, params_of(options))));
}

Task<std::vector<api::ImageSearchResponseItem>> DaemonRegistry::search(SearchImagesOptions options) {
  return value_of(client_.image_search(params_of(options)));
}

Task<api::DistributionInspect> DaemonRegistry::inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) {
  Call call = describe_distribution_inspect(image);
  if (auth) call.headers.emplace_back("X-Registry-Auth", registry_auth_of(auth));
  return value_of(json_call<api::DistributionInspect>(client_, std::move(call)));
}

Task<api::AuthResponse> DaemonRegistry::auth(api::AuthConfig credentials) { return value_of(client_.system_auth(credentials)); }

// ---- making images

Task<ProgressStream> DaemonBuilder::build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) {
  Call call = describe_image_build(params);
  co_return co_await upload_with_progress(co_await value_of(raw_upload(client_, std::move(call))), std::move(context));
}

Task<api::BuildPruneResponse> DaemonBuilder::prune_cache(api::Filters filters) {
  api::BuildPruneParams params;
  params.filters = std::move(filters);
  return value_of(client_.build_prune(params));
}

Task<api::IDResponse> DaemonCommitter::commit(api::ImageCommitParams params, api::ContainerConfig config) {
  return value_of(client_.image_commit(config, params));
}

}  // namespace sockerless::docker
