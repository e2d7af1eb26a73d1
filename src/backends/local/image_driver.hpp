#pragma once

#include <memory>

#include "backends/local/image_store.hpp"
#include "backends/local/layer_fetches.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

struct ImageDriverOptions {
  BlockingPool& pool;  ///< where everything that touches the disk runs; outlives the driver
  Clock& clock;
  std::shared_ptr<ImageStore> store;  ///< shared with the workload driver, which mounts its layers
  asio::any_io_executor executor;     ///< where layers are downloaded
  oci::RegistryOptions registries{};
  FetchOptions fetches{};
};

/// The engine's view of the image store: load, import, pull, push, save, remove.
std::unique_ptr<ImageDriver> make_image_driver(ImageDriverOptions options);

/// What the engine wants to know of an image in the store.
ImageFacts facts_of(const StoredImage& image);

}  // namespace sockerless::local
