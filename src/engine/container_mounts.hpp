#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

/// A mount as a request asks for it. A volume has a name or is to be made; where it lies is found out when it is acquired.
struct MountRequest {
  MountSpec spec;
  bool anonymous = false;  ///< a volume nobody named
  bool no_copy = false;    ///< a new volume stays empty
  std::string volume_driver;
  std::map<std::string, std::string> volume_options;
  std::map<std::string, std::string> volume_labels;
};

/// Finds the mounts of another container, for VolumesFrom. @errors not_found.
using FindMounts = std::function<std::vector<MountSpec>(const std::string& container)>;

/// Everything that is to be mounted: Mounts, Binds, VolumesFrom, Tmpfs, and an anonymous volume for each of the image's and the request's
/// Volumes that nothing else covers.
/// @errors invalid_argument: in dockerd's words. not_implemented: cluster mounts.
std::vector<MountRequest> collect_mounts(const api::ContainerConfig& config, const api::HostConfig& host_config,
                                         const FindMounts& find_mounts);

/// One entry of Binds: "/host:/path:ro,rslave", "volume:/path", "/path".
MountRequest parse_bind(const std::string& text);

}  // namespace sockerless
