#pragma once

#include <memory>

#include "backends/local/image_store.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// The engine's view of the image store: load, import, save, remove. Pull is not implemented yet.
/// @param pool  where everything that touches the disk runs; outlives the driver.
/// @param store  shared with the workload driver, which mounts its layers.
std::unique_ptr<ImageDriver> make_image_driver(BlockingPool& pool, Clock& clock, std::shared_ptr<ImageStore> store);

/// What the engine wants to know of an image in the store.
ImageFacts facts_of(const StoredImage& image);

}  // namespace sockerless::local
