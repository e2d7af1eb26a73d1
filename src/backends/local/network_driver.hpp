#pragma once

#include <memory>

#include "engine/drivers.hpp"

namespace sockerless::local {

/// The predefined networks only: `none` and `host` as Docker's, `bridge` as a network of the container's own with the loopback device. The
/// OCI configuration makes them; joining and leaving has nothing to do.
std::unique_ptr<NetworkDriver> make_network_driver();

}  // namespace sockerless::local
