#pragma once

#include <memory>
#include <string>

#include "engine/drivers.hpp"

namespace sockerless::local {

/// Volumes as folders: `directory`/<name>/_data.
std::unique_ptr<VolumeDriver> make_volume_driver(BlockingPool& pool, std::string directory);

}  // namespace sockerless::local
