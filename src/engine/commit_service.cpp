#include "engine/commit_service.hpp"

#include <utility>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_config.hpp"

namespace sockerless {

namespace {

Logger log("engine");

/// The name the image gets; empty: none.
std::string reference_of(const api::ImageCommitParams& params) {
  if (params.repo.empty()) return {};
  const auto parsed = api::ImageReference::parse(params.repo);
  return (params.tag.empty() ? parsed.with_default_tag() : parsed.with_tag(params.tag)).familiar();
}

api::ContainerConfig laid_over(api::ContainerConfig config, const api::ContainerConfig& own) {
  if (config == api::ContainerConfig()) return own;
  merge_image_config(config, api::parse_json<api::ImageConfig>(api::to_json(own)));
  return config;
}

void check_can_commit(const ContainerRecord& record) {
  const std::string& id = record.id().str();
  const ContainerStatus status = record.state()->status();
  if (status == ContainerStatus::dead) throw Error::conflict("You cannot commit container {} which is Dead", id);
  if (record.is_removed() || status == ContainerStatus::removing)
    throw Error::conflict("You cannot commit container {} which is being removed", id);
}

}  // namespace

Task<api::IDResponse> CommitService::commit(api::ImageCommitParams params, api::ContainerConfig config) {
  auto record = context_.containers.get(params.container);
  check_can_commit(*record);
  api::IDResponse response;
  response.id = co_await run_to_its_end(context_, "commit", commit_paused(std::move(record), std::move(params), std::move(config)));
  co_return response;
}

Task<std::string> CommitService::commit_paused(ContainerPtr record, api::ImageCommitParams params, api::ContainerConfig config) {
  bool paused = false;
  if (params.pause && record->state()->status() == ContainerStatus::running) {
    try {
      co_await lifecycle_.pause(record);
      paused = true;
    } catch (const Error& error) {  // it has ended meanwhile, say: what is there can be committed all the same
      log.debug("not paused for a commit id={} error={}", record->id().short_str(), error.what());
    }
  }
  std::exception_ptr failure;
  std::string id;
  try {
    id = co_await commit_layer(record, std::move(params), std::move(config));
  } catch (...) {
    failure = std::current_exception();
  }
  if (paused && record->state()->is_paused()) co_await lifecycle_.unpause(record);
  if (failure) std::rethrow_exception(failure);
  co_return id;
}

Task<std::string> CommitService::commit_layer(ContainerPtr record, api::ImageCommitParams params, api::ContainerConfig config) {
  const auto turn = co_await record->operations.acquire();
  check_can_commit(*record);
  const std::string reference = reference_of(params);
  const auto definition = record->definition();
  CommitSpec spec;
  spec.parent = definition->spec.image_id;
  spec.container = record->id().str();
  spec.container_config = definition->spec.config;
  spec.container_config.image = definition->image_name;
  spec.config = laid_over(std::move(config), spec.container_config);
  spec.author = params.author;
  spec.comment = params.comment;
  spec.changes = std::move(params.changes);
  auto layer = co_await files_.layer(definition->spec);
  const std::string id = co_await context_.images.commit(std::move(spec), reference, std::move(layer));
  lifecycle_.publish(*record, "commit", {{"comment", params.comment}, {"imageID", id}, {"imageRef", reference}});
  co_return id;
}

}  // namespace sockerless
