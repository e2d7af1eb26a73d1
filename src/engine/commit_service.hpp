#pragma once

#include "backend/roles.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/engine_context.hpp"
#include "engine/file_driver.hpp"

namespace sockerless {

/// CommitRole: an image made of a container's image, its writable layer and its configuration.
class CommitService final : public CommitRole {
 public:
  CommitService(EngineContext& context, ContainerLifecycle& lifecycle, FileDriver& files)
      : context_(context), lifecycle_(lifecycle), files_(files) {}

  /// @param config  laid over the container's; an empty one changes nothing. @errors not_found, invalid_argument, conflict.
  Task<api::IDResponse> commit(api::ImageCommitParams params, api::ContainerConfig config) override;

 private:
  Task<std::string> commit_paused(ContainerPtr record, api::ImageCommitParams params, api::ContainerConfig config);
  Task<std::string> commit_layer(ContainerPtr record, api::ImageCommitParams params, api::ContainerConfig config);

  EngineContext& context_;
  ContainerLifecycle& lifecycle_;
  FileDriver& files_;
};

}  // namespace sockerless
