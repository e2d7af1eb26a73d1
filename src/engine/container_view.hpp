#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"
#include "engine/container_record.hpp"

namespace sockerless {

/// The parts of a list entry that stay the same over a container's life; kept in its definition.
api::ContainerSummary make_static_summary(const ContainerDefinition& definition);

/// One entry of GET /containers/json.
api::ContainerSummary make_summary(const ContainerSnapshot& container, TimePoint now);

/// What inspect adds to the container from elsewhere.
struct InspectExtras {
  std::string storage_driver;  ///< GraphDriver.Name and Driver
  std::vector<std::string> exec_ids;
  WorkloadPaths paths{};
};

/// GET /containers/{id}/json, every member dockerd 28 shows.
api::ContainerInspectResponse make_inspect(const ContainerSnapshot& container, const InspectExtras& extras);

/// Mounts of inspect and of the list.
std::vector<api::MountPoint> make_mount_points(const WorkloadSpec& spec);

/// `Actor.Attributes` of every event about the container: its labels, image and name.
std::map<std::string, std::string> event_attributes(const ContainerDefinition& definition);

}  // namespace sockerless
