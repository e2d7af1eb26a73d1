#include <utility>

#include "backend/internal_router.hpp"

namespace sockerless::internal {

namespace {

using Body = std::unique_ptr<ByteSource>;

ImageRole& images(Backend& backend) { return require(backend.images(), backend, "images"); }
RegistryRole& registry(Backend& backend) { return require(backend.registry(), backend, "registries"); }
BuildRole& builder(Backend& backend) { return require(backend.builder(), backend, "building images"); }
CommitRole& committer(Backend& backend) { return require(backend.committer(), backend, "commit"); }

std::vector<ImageRef> refs_of(std::vector<std::string> names) {
  std::vector<ImageRef> refs;
  refs.reserve(names.size());
  for (std::string& name : names) refs.push_back({std::move(name)});
  return refs;
}

void add_store_routes(Router& router) {
  router.add(routes::kImageList, [](Backend& b, std::string, ListImagesOptions o, None) { return images(b).list(std::move(o)); });
  router.add(routes::kImageInspect, [](Backend& b, std::string id, None, None) { return images(b).inspect({std::move(id)}); });
  router.add(routes::kImageHistory, [](Backend& b, std::string id, None, None) { return images(b).history({std::move(id)}); });
  router.add(routes::kImageTag, [](Backend& b, std::string id, TagQuery q, None) {
    return images(b).tag({std::move(id)}, std::move(q.repo), std::move(q.tag));
  });
  router.add(routes::kImageRemove,
             [](Backend& b, std::string id, RemoveImageOptions o, None) { return images(b).remove({std::move(id)}, o); });
  router.add(routes::kImagePrune, [](Backend& b, std::string, FiltersQuery q, None) { return images(b).prune(std::move(q.filters)); });
  router.add(routes::kImageLoad,
             [](Backend& b, std::string, LoadQuery q, Body archive) { return images(b).load(std::move(archive), q.quiet); });
  router.add(routes::kImageImport,
             [](Backend& b, std::string, ImportImageOptions o, Body tar) { return images(b).import(std::move(o), std::move(tar)); });
  router.add(routes::kImageSave, [](Backend& b, std::string, SaveQuery q, Body) { return images(b).save(refs_of(std::move(q.names))); });
}

void add_registry_routes(Router& router) {
  router.add(routes::kImagePull, [](Backend& b, std::string, PullImageOptions o, Body) { return registry(b).pull(std::move(o)); });
  router.add(routes::kImagePush, [](Backend& b, std::string id, PushQuery q, Body) {
    return registry(b).push({.image = {std::move(id)}, .tag = std::move(q.tag), .auth = std::move(q.auth)});
  });
  router.add(routes::kImageSearch, [](Backend& b, std::string, SearchImagesOptions o, None) { return registry(b).search(std::move(o)); });
  router.add(routes::kDistribution, [](Backend& b, std::string id, AuthQuery q, None) {
    return registry(b).inspect_distribution(std::move(id), std::move(q.auth));
  });
  router.add(routes::kAuth, [](Backend& b, std::string, None, api::AuthConfig body) { return registry(b).auth(std::move(body)); });
}

void add_build_routes(Router& router) {
  router.add(routes::kBuild, [](Backend& b, std::string, api::ImageBuildParams p, Body context) {
    return builder(b).build(std::move(p), std::move(context));
  });
  router.add(routes::kBuildPrune,
             [](Backend& b, std::string, FiltersQuery q, None) { return builder(b).prune_cache(std::move(q.filters)); });
  router.add(routes::kCommit, [](Backend& b, std::string, api::ImageCommitParams p, api::ContainerConfig body) {
    return committer(b).commit(std::move(p), std::move(body));
  });
}

}  // namespace

void add_image_routes(Router& router) {
  add_store_routes(router);
  add_registry_routes(router);
  add_build_routes(router);
}

}  // namespace sockerless::internal
