#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backend/roles.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"
#include "engine/operation_lock.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

/// Keeps a volume from being removed while a container that will use it is being made. Gives the volume free on destruction.
class VolumeHold;

/// A volume as a container that is being made gets it.
struct AcquiredVolume {
  std::string name;
  std::string mount_point;           ///< the driver's
  bool created = false;              ///< it is new: it takes over what the image has at the destination
  std::shared_ptr<VolumeHold> hold;  ///< keep it until the container is in the table
};

/// Named and anonymous volumes. Threads: any; changes take turns.
class VolumeService final : public VolumeRole {
 public:
  VolumeService(VolumeDriver& driver, StateStore& store, EventBus& events, const ContainerTable& containers, Clock& clock, Random& random);

  /// Reads what was stored. Called once, before anything else.
  Task<void> restore();

  Task<api::VolumeListResponse> list(api::Filters filters) override;
  Task<api::Volume> inspect(VolumeRef volume) override;
  Task<api::Volume> create(api::VolumeCreateRequest request) override;
  Task<void> remove(VolumeRef volume, Force force) override;
  Task<api::VolumePruneResponse> prune(api::Filters filters) override;

  /// The volume for a container's mount, made when it does not exist; an empty name makes an anonymous one.
  /// @errors as create.
  Task<AcquiredVolume> acquire(api::VolumeCreateRequest request);
  /// Removes the anonymous volumes of a container that is gone; one that another container uses stays.
  Task<void> remove_anonymous(std::vector<std::string> names);
  /// Every volume with its UsageData, for GET /system/df.
  Task<std::vector<api::Volume>> usage();

  /// Publishes `mount` and `unmount` for the volumes among a container's mounts.
  void publish_mounts(const WorkloadSpec& spec);
  void publish_unmounts(const WorkloadSpec& spec);

 private:
  friend class VolumeHold;
  struct Entry {
    api::Volume volume;
    int holds = 0;
  };
  using Table = std::map<std::string, Entry, std::less<>>;

  Task<std::pair<api::Volume, bool>> find_or_create(api::VolumeCreateRequest request);
  Task<void> remove_entry(std::string name);
  std::vector<std::string> users_of(std::string_view name) const;
  void release(const std::string& name);
  void publish(std::string action, const std::string& name, EventAttributes attributes);

  VolumeDriver& driver_;
  StateStore& store_;
  EventBus& events_;
  const ContainerTable& containers_;
  Clock& clock_;
  Random& random_;
  OperationLock changes_;  // create, remove and prune take turns
  Guarded<Table> volumes_;
};

class VolumeHold {
 public:
  VolumeHold(VolumeService& service, std::string name) : service_(service), name_(std::move(name)) {}
  ~VolumeHold() { service_.release(name_); }
  VolumeHold(const VolumeHold&) = delete;
  VolumeHold& operator=(const VolumeHold&) = delete;

 private:
  VolumeService& service_;
  std::string name_;
};

}  // namespace sockerless
