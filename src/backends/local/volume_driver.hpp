#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/drivers.hpp"

namespace sockerless::local {

/// Volumes as folders: `directory`/<name>/_data.
std::unique_ptr<VolumeDriver> make_volume_driver(BlockingPool& pool, std::string directory);

/// The bytes of the files below a folder, nearly: a file that vanishes meanwhile does not count, a folder that does ends the walk. May
/// block.
std::int64_t blocking_size_of_files(const std::string& folder);

}  // namespace sockerless::local
