#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.hpp"
#include "base/ids.hpp"
#include "base/task.hpp"
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

/// Keeps the options in the volume's folder, where a later daemon finds them; none: there is no such file. All or nothing. May block.
void blocking_store_volume_options(const std::string& folder, const VolumeOptions& options);
/// Empty for a volume that is a plain folder. May block.
VolumeOptions blocking_volume_options(const std::string& folder);

/// Mounts what a volume's options name, unless it is there already, in the mount namespace of the calling thread and for nobody's account.
/// A plain folder stays one. May block for minutes. @errors internal in dockerd's words.
void blocking_mount_volume(const std::string& folder);

/// True when a volume among the mounts has options, so that what is done with it may wait for a file server.
Task<bool> has_volumes_with_options(BlockingPool& pool, std::string directory, std::vector<MountSpec> mounts);

/// As run_blocking; what may wait for a file server gets a thread of its own: a server that does not answer takes minutes, and the pool's
/// threads, which everybody needs, are few.
template <typename F>
Task<std::invoke_result_t<F>> run_blocking_with_volumes(BlockingPool& pool, bool may_take_minutes, F function) {
  if (!may_take_minutes) co_return co_await run_blocking(pool, std::move(function));
  BlockingPool own_thread(1);  // at the end it has nothing left to do, so joining it takes no time
  co_return co_await run_blocking(own_thread, std::move(function));
}

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

  /// True from blocking_use() to blocking_release(), where a volume of the container has options.
  bool is_user(const ContainerId& id) const;
  /// Mounts what the container's volumes need. May block for minutes. @errors internal in dockerd's words; the container then uses nothing.
  void blocking_use(const WorkloadSpec& spec);
  /// The container's run is over. Idempotent; failures are logged. May block for as long as another's mount of
  /// the same volume takes.
  void blocking_release(const ContainerId& id);
  /// Forgets the users that do not run any more. May block.
  void blocking_restore(const std::vector<ContainerId>& running);

 private:
  void mount_one(const ContainerId& id, const std::string& name);
  void forget_users(const std::string& name, const std::function<bool(const std::string& user)>& is_gone);
  std::shared_ptr<std::mutex> turn_of(const std::string& name);

  const std::string directory_;
  // A mount may take minutes (a file server that does not answer): it holds up that volume's users and, as the callers have threads of
  // their own (run_blocking_with_volumes), nobody else.
  Guarded<std::map<std::string, std::shared_ptr<std::mutex>>> turns_;
  Guarded<std::map<std::string, std::set<std::string>>> users_;  // a container's volumes with options
};

}  // namespace sockerless::local
