#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/roles.hpp"
#include "base/task.hpp"
#include "engine/drivers.hpp"
#include "engine/image_service.hpp"

namespace sockerless {

/// Builds: checks what the client asks for, lets the driver build, names the result. Use it only with a driver.
///
/// Threads: any; builds run side by side.
class BuildService final : public BuildRole {
 public:
  BuildService(BuildDriver* driver, ImageService& images);
  ~BuildService() override;

  Task<ProgressStream> build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) override;
  Task<api::BuildPruneResponse> prune_cache(api::Filters filters) override;
  /// Cancels builds, and joins them.
  Task<void> stop();

 private:
  Task<void> run_build(BuildSpec spec, std::vector<std::string> references, std::unique_ptr<ByteSource> context, ProgressSink& sink);

  BuildDriver* driver_;
  ImageService& images_;
  std::shared_ptr<TaskGroup> tasks_;  // shared with progress streams, whose producers run in it
};

}  // namespace sockerless
