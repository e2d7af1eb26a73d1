#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

using VolumeOptions = std::map<std::string, std::string>;

/// The options of Docker's `local` driver: type, device, o, size.
/// @errors invalid_argument in dockerd's words.
void check_volume_options(const VolumeOptions& options);

/// The `o` of a volume as mount(2) takes it.
struct ParsedMountOptions {
  unsigned long flags = 0;
  std::string data;  ///< what is the file system's own
};
ParsedMountOptions parse_mount_options(std::string_view text);

/// Keeps the options in the volume's folder, where a later daemon finds them. May block.
void blocking_store_volume_options(const std::string& folder, const VolumeOptions& options);
/// Empty for a volume that is a plain folder. May block.
VolumeOptions blocking_volume_options(const std::string& folder);

/// Takes whatever is mounted on a volume off. Idempotent. May block.
void blocking_unmount_volume(const std::string& folder);

/// Volumes that are mounts (a tmpfs, a bind, an NFS export): mounted for the first container that runs with them, unmounted after the last.
///
/// Who uses a volume is a file for each container in the volume's `users` folder, written before the mount is made; so a daemon that was
/// killed leaves nothing that the next one does not find.
///
/// Threads: any.
class VolumeMounts {
 public:
  explicit VolumeMounts(std::string directory) : directory_(std::move(directory)) {}

  /// Mounts what the container's volumes need. May block. @errors internal in dockerd's words; the container then uses nothing.
  void blocking_use(const WorkloadSpec& spec);
  /// The container's run is over. Idempotent; failures are logged. May block.
  void blocking_release(const ContainerId& id);
  /// Forgets the users that do not run any more. May block.
  void blocking_restore(const std::vector<ContainerId>& running);

 private:
  void mount_one(const ContainerId& id, const std::string& name);
  template <typename IsGone>
  void forget_users(IsGone&& is_gone);

  const std::string directory_;
  std::mutex mutex_;  // over the folders on disk; held while a mount is made, which other containers' mounts wait for
};

}  // namespace sockerless::local
