#include <utility>

#include "backend/remote_roles.hpp"

namespace sockerless::internal {

// ---- images

Task<std::vector<api::ImageSummary>> RemoteImages::list(ListImagesOptions options) {
  return wire_.call(routes::kImageList, {}, std::move(options), {});
}

Task<api::ImageInspect> RemoteImages::inspect(ImageRef image) { return wire_.call(routes::kImageInspect, std::move(image.text), {}, {}); }

Task<std::vector<api::ImageHistoryResponseItem>> RemoteImages::history(ImageRef image) {
  return wire_.call(routes::kImageHistory, std::move(image.text), {}, {});
}

Task<void> RemoteImages::tag(ImageRef image, std::string repo, std::string tag) {
  return wire_.call(routes::kImageTag, std::move(image.text), {.repo = std::move(repo), .tag = std::move(tag)}, {});
}

Task<std::vector<api::ImageDeleteResponseItem>> RemoteImages::remove(ImageRef image, RemoveImageOptions options) {
  return wire_.call(routes::kImageRemove, std::move(image.text), options, {});
}

Task<api::ImagePruneResponse> RemoteImages::prune(api::Filters filters) {
  return wire_.call(routes::kImagePrune, {}, {.filters = std::move(filters)}, {});
}

Task<ProgressStream> RemoteImages::load(std::unique_ptr<ByteSource> archive, bool quiet) {
  return wire_.stream(routes::kImageLoad, {}, {.quiet = quiet}, std::move(archive));
}

Task<ProgressStream> RemoteImages::import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) {
  return wire_.stream(routes::kImageImport, {}, std::move(options), std::move(tar));
}

Task<std::unique_ptr<ByteSource>> RemoteImages::save(std::vector<ImageRef> images) {
  SaveQuery query;
  for (ImageRef& image : images) query.names.push_back(std::move(image.text));
  return wire_.stream(routes::kImageSave, {}, std::move(query));
}

// ---- registries

Task<ProgressStream> RemoteRegistry::pull(PullImageOptions options) { return wire_.stream(routes::kImagePull, {}, std::move(options)); }

Task<ProgressStream> RemoteRegistry::push(PushImageOptions options) {
  return wire_.stream(routes::kImagePush, std::move(options.image.text), {.tag = std::move(options.tag), .auth = std::move(options.auth)});
}

Task<std::vector<api::ImageSearchResponseItem>> RemoteRegistry::search(SearchImagesOptions options) {
  return wire_.call(routes::kImageSearch, {}, std::move(options), {});
}

Task<api::DistributionInspect> RemoteRegistry::inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) {
  return wire_.call(routes::kDistribution, std::move(image), {.auth = std::move(auth)}, {});
}

Task<api::AuthResponse> RemoteRegistry::auth(api::AuthConfig credentials) {
  return wire_.call(routes::kAuth, {}, {}, std::move(credentials));
}

// ---- making images

Task<ProgressStream> RemoteBuilder::build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) {
  return wire_.stream(routes::kBuild, {}, std::move(params), std::move(context));
}

Task<api::BuildPruneResponse> RemoteBuilder::prune_cache(api::Filters filters) {
  return wire_.call(routes::kBuildPrune, {}, {.filters = std::move(filters)}, {});
}

Task<api::IDResponse> RemoteCommitter::commit(api::ImageCommitParams params, api::ContainerConfig config) {
  return wire_.call(routes::kCommit, {}, std::move(params), std::move(config));
}

}  // namespace sockerless::internal
