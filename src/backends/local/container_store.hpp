#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/local/container_run.hpp"
#include "backends/local/host_runtime.hpp"
#include "backends/local/overlay.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

void write_file(const std::string& path, const std::string& text);

/// What inspect shows of a container's directory. Like dockerd's, a container that never ran has no files in /etc and no log. May block.
WorkloadPaths blocking_find_paths(const std::string& image_id, const std::string& directory, LayerSource& layers);

/// The containers' directories below the state directory (README.md has their layout), and what daemons before this one left in them.
///
/// Keeps nothing in memory: what is true about a container is on disk and in its monitor. Threads: any; everything may block.
class ContainerStore {
 public:
  /// A container as it was found at the daemon's start.
  struct Found {
    RestoredWorkload workload;
    std::shared_ptr<ContainerEntry> entry;
    UniqueFd channel;  ///< to the monitor of a running one
  };

  /// @param layers  shared with the image driver. @param runtime  outlives the store.
  ContainerStore(const std::string& state_directory, std::shared_ptr<LayerSource> layers, HostRuntime& runtime);

  std::string directory_of(const ContainerId& id) const { return containers_ + "/" + id.str(); }

  /// The directory of a new container, with an empty log; its image's layers are held. Fails with nothing left behind.
  void blocking_make(const WorkloadSpec& spec);
  /// Takes the container's directory out of the way. @return where it is now; empty: there was none.
  std::string blocking_set_aside(const ContainerId& id);
  /// Unmounts and deletes what was set aside, and gives the layers back.
  void blocking_remove_remains(const ContainerId& id, const std::string& remains);
  /// Finishes interrupted removals, removes containers nobody knows, and looks what became of the others.
  std::vector<Found> blocking_restore(const std::vector<ContainerId>& known);

 private:
  void release_images(const ContainerId& id);
  void blocking_resume_removal(const std::string& remains);
  void blocking_remove_stranger(const ContainerId& id);
  Found blocking_restore_one(const ContainerId& id);
  void blocking_clean(const ContainerId& id, const std::string& directory);

  const std::string state_directory_;
  const std::string containers_;
  const std::string removing_;
  const std::shared_ptr<LayerSource> layers_;  // shared with the image driver
  HostRuntime& runtime_;
};

}  // namespace sockerless::local
