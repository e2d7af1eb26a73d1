#pragma once

#include <string>
#include <vector>

#include "backends/local/overlay.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// True for the path under which programs expect the socket of their Docker daemon.
bool is_docker_socket(const std::string& path);

/// The mounts with their sources as they are on this host: a bind of Docker's well-known socket is one of the daemon's own.
/// @param own_socket  the daemon's; empty: it has none.
std::vector<MountSpec> with_own_socket(std::vector<MountSpec> mounts, const std::string& own_socket);

/// What create says about a bind of Docker's socket that is not that of this daemon. May block.
std::vector<std::string> blocking_socket_warnings(const std::vector<MountSpec>& mounts, const std::string& own_socket);

/// True when the source has to be mounted in the container's directory first: a part of a volume, an image.
bool needs_helper_mount(const MountSpec& mount);
/// Where that is, relative to the container's directory.
std::string helper_mount_name(std::size_t index);

/// Mounts what needs it below the container's directory; the result's sources are there. Links in a subpath stay inside the volume or
/// image. May block. @errors invalid_argument in Docker's words.
std::vector<MountSpec> blocking_mount_sources(std::vector<MountSpec> mounts, const std::string& directory, LayerSource& layers);

/// The name of the hold on the image of the mount with this index.
std::string image_hold_name(const ContainerId& id, std::size_t index);

/// A shared or slave mount needs a source that lies on such a mount. May block. @errors internal in Docker's words.
void blocking_check_propagation(const std::vector<MountSpec>& mounts);

}  // namespace sockerless::local
