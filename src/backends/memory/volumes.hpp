#pragma once

#include <memory>

#include "engine/drivers.hpp"

namespace sockerless::memory {

/// Volumes that hold nothing.
std::unique_ptr<VolumeDriver> make_volume_driver();

}  // namespace sockerless::memory
