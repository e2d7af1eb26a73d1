#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backends/local/overlay.hpp"
#include "base/ids.hpp"
#include "engine/file_driver.hpp"

namespace sockerless::local {

/// What the file driver has to know of the workload driver, which outlives it.
struct FileHost {
  std::shared_ptr<LayerSource> layers;  ///< shared with the image driver
  BlockingPool& pool;
  std::string volumes;  ///< the folder of all volumes
  /// Where a container has its files. @errors not_found.
  std::function<std::string(ContainerId)> directory;
  /// Its first process; nothing when it does not run, and then nothing of its last run is mounted any more.
  std::function<Task<std::optional<std::int64_t>>(ContainerId)> settled_pid;
};

std::unique_ptr<FileDriver> make_file_driver(FileHost host);

}  // namespace sockerless::local
