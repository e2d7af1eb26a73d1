#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "base/guarded.hpp"
#include "base/ids.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_state.hpp"
#include "engine/drivers.hpp"
#include "engine/operation_lock.hpp"

namespace sockerless {

/// What a container is, apart from how it is doing. Never changed in place: rename and update put a new one.
struct ContainerDefinition {
  explicit ContainerDefinition(ContainerId id) : spec{std::move(id), {}, {}, {}, {}, {}, {}, {}} {}

  WorkloadSpec spec;
  TimePoint created = kNever;
  std::string image_name;  ///< as given at create: Config.Image, "busybox"
  std::string platform = "linux";
  std::vector<std::string> anonymous_volumes;  ///< removed with the container under `v` or --rm
  api::ContainerSummary summary;               ///< ready-made: everything of a list entry that does not depend on the state or the networks
};

/// A container's place in its networks: the network service's to fill. Never changed in place.
struct ContainerNetworks {
  std::map<std::string, api::EndpointSettings> endpoints;  ///< by network name; NetworkID is set, addresses only while it runs
  api::NetworkSettings settings;        ///< everything of inspect's NetworkSettings but Networks: SandboxID, SandboxKey, Ports
  std::vector<api::PortSummary> ports;  ///< the list's Ports
};

/// One moment of a container: cheap to copy, never changes.
struct ContainerSnapshot {
  std::shared_ptr<const ContainerDefinition> definition;
  std::shared_ptr<const ContainerState> state;
  std::shared_ptr<const ContainerNetworks> networks;
};

/// A container as the engine holds it. Held by shared_ptr: operations, waits and streams in flight decide how long it lives after removal.
///
/// Threads: any. Definition, state and networks are replaced under a short lock and read as snapshots.
class ContainerRecord {
 public:
  ContainerRecord(ContainerId id, std::shared_ptr<const ContainerDefinition> definition, ContainerState state)
      : id_(std::move(id)),
        current_(ContainerSnapshot{std::move(definition), std::make_shared<const ContainerState>(std::move(state)),
                                   std::make_shared<const ContainerNetworks>()}) {}

  const ContainerId& id() const { return id_; }
  ContainerSnapshot snapshot() const {
    return current_.read([](const ContainerSnapshot& now) { return now; });
  }
  std::shared_ptr<const ContainerDefinition> definition() const {
    return current_.read([](const ContainerSnapshot& now) { return now.definition; });
  }
  std::shared_ptr<const ContainerState> state() const {
    return current_.read([](const ContainerSnapshot& now) { return now.state; });
  }
  std::shared_ptr<const ContainerNetworks> networks() const {
    return current_.read([](const ContainerSnapshot& now) { return now.networks; });
  }

  void set_definition(std::shared_ptr<const ContainerDefinition> definition) {
    current_.write([&](ContainerSnapshot& now) { now.definition = std::move(definition); });
  }
  void set_networks(ContainerNetworks networks) {
    auto replacement = std::make_shared<const ContainerNetworks>(std::move(networks));
    current_.write([&](ContainerSnapshot& now) { now.networks.swap(replacement); });
  }
  /// Applies `change` to a copy of the state and puts that; when it throws, nothing has changed. It runs under the
  /// record's lock, so it must not read the record. Wakes whoever waits on changed().
  template <typename Change>
  void change_state(Change&& change) {
    current_.write([&](ContainerSnapshot& now) {
      auto next = std::make_shared<ContainerState>(*now.state);
      std::forward<Change>(change)(*next);
      now.state = std::move(next);
    });
    changed_.notify();
  }

  /// Notified after every change of state() and after removal.
  Signal& changed() { return changed_; }
  /// Set once the container is gone from the table for good.
  bool is_removed() const { return removed_.load(); }
  void mark_removed() {
    removed_.store(true);
    changed_.notify();
  }

  /// Set while a restart by hand is between its stop and its start: AutoRemove waits.
  std::atomic<bool> restart_in_progress{false};
  /// start, pause, update, rename and remove take turns.
  OperationLock operations;
  /// Held from the delivery of a signal until `kill` is published: `die` waits for it, so that the two come in this order. And while the
  /// networks of a run that is over are left, until its end is recorded: joining and leaving a network wait.
  OperationLock signalling;
  /// Ids of the execs of this container: ExecIDs of inspect. Kept by the exec service.
  Guarded<std::vector<std::string>> exec_ids;

 private:
  const ContainerId id_;
  Guarded<ContainerSnapshot> current_;
  Signal changed_;
  std::atomic<bool> removed_{false};
};

using ContainerPtr = std::shared_ptr<ContainerRecord>;

}  // namespace sockerless
