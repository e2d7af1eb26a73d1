#pragma once

#include <memory>

#include "engine/drivers.hpp"

namespace sockerless::memory {

/// Networks that carry nothing: they are remembered, with who has joined them. Addresses are the engine's.
std::unique_ptr<NetworkDriver> make_network_driver();

}  // namespace sockerless::memory
