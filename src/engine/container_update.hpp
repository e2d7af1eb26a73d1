#pragma once

#include "api/types.hpp"

namespace sockerless {

/// Lays the set members of POST /containers/{id}/update over the container's. @errors invalid_argument, conflict in dockerd's words; then
/// nothing was changed.
void apply_update(api::HostConfig& host_config, const api::ContainerUpdateRequest& request);

}  // namespace sockerless
