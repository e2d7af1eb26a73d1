#pragma once

#include <memory>
#include <string>

#include "backends/local/image_store.hpp"
#include "base/task.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// Builds by buildah, in `directory` (build_storage.hpp); bases come from `images`, results go there. Blocks.
/// @param runtime  an OCI runtime, a name or a path; empty: what is there.
std::unique_ptr<BuildDriver> make_build_driver(BlockingPool& pool, std::shared_ptr<ImageStore> images, const std::string& directory,
                                               const std::string& runtime);

}  // namespace sockerless::local
