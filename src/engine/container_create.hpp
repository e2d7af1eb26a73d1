#pragma once

#include <string>
#include <vector>

#include "backend/roles.hpp"
#include "base/task.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/container_mounts.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// Makes containers: checks the request, merges it with the image, finds its volumes and networks, and has the driver make room.
/// Either the container is there completely, on disk too, or nothing is left behind (named volumes stay, as with Docker).
class ContainerCreator {
 public:
  ContainerCreator(EngineContext& context, ContainerLifecycle& lifecycle) : context_(context), lifecycle_(lifecycle) {}

  /// @errors invalid_argument, not_found (image, network), conflict (name), all in Docker's words.
  Task<api::ContainerCreateResponse> create(CreateContainerOptions options);

 private:
  struct Draft;

  void resolve_image(Draft& draft, const CreateContainerOptions& options);
  void fill_config(Draft& draft, CreateContainerOptions options);
  void fill_network_mode(Draft& draft);
  NameReservation reserve_name(const std::string& wanted, const ContainerId& id);
  Task<void> acquire_volumes(Draft& draft, std::vector<MountRequest> requests);
  Task<void> insert(Draft& draft, NameReservation reservation);
  Task<void> undo(std::vector<std::string> anonymous_volumes);

  EngineContext& context_;
  ContainerLifecycle& lifecycle_;
};

}  // namespace sockerless
