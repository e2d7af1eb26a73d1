#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/roles.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"
#include "engine/ipam.hpp"
#include "engine/network_ports.hpp"
#include "engine/operation_lock.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

/// What is left of a container's networks when its run is over.
struct LeftNetworks {
  ContainerNetworks at_rest;      ///< the endpoints as inspect shows them while nothing runs
  std::vector<NetworkSpec> left;  ///< those that `disconnect` is still to be published for
};

/// Networks, their addresses, and the endpoints of containers.
///
/// Addresses and published ports are only given out when the driver has networks of its own; otherwise a container's endpoint says that it
/// is on the network and nothing more. Threads: any; changes take turns.
class NetworkService final : public NetworkRole {
 public:
  NetworkService(NetworkDriver& driver, StateStore& store, EventBus& events, ContainerTable& containers, Clock& clock, Random& random);

  /// Reads what was stored, makes bridge, host and none where they are missing, and takes the addresses and ports of running containers.
  /// Called once, after the containers are loaded.
  Task<void> restore();

  Task<std::vector<api::NetworkInspect>> list(api::Filters filters) override;
  Task<api::NetworkInspect> inspect(NetworkRef network) override;
  Task<api::NetworkCreateResponse> create(api::NetworkCreateRequest request) override;
  Task<void> remove(NetworkRef network) override;
  Task<void> connect(NetworkRef network, api::NetworkConnectRequest request) override;
  Task<void> disconnect(NetworkRef network, api::NetworkDisconnectRequest request) override;
  Task<api::NetworkPruneResponse> prune(api::Filters filters) override;

  /// At create: the container's endpoints as inspect shows them before the first start. The network mode "default" means bridge;
  /// "container:x" has no endpoints.
  /// A network that does not exist is only noticed at the start, as in dockerd.
  /// @errors invalid_argument: settings that contradict each other or the network.
  ContainerNetworks plan(const WorkloadSpec& spec, const std::map<std::string, api::EndpointSettings>& endpoints) const;
  /// At start, before the driver's: gives out addresses and ports, joins the networks and publishes `connect`. Does not change the record.
  /// @errors not_found "failed to set up container networking: network x not found"; unavailable, internal: no address or port left. After
  /// a failure nothing is held.
  Task<ContainerNetworks> join(ContainerPtr container);
  /// When the run is over (or its start failed): gives everything back and leaves the networks.
  /// @param joined  what join() returned, or the record's networks.
  Task<LeftNetworks> leave(ContainerPtr container, ContainerNetworks joined);
  /// Publishes `disconnect` for each: Docker says it after the container's `die`, and the networks are left before it.
  void publish_left(const ContainerId& container, const std::vector<NetworkSpec>& networks);
  /// The filter `network` of the container list takes names and ids: the network's id for either, empty when there is none.
  std::string find_id(std::string_view reference) const;

 private:
  struct Entry {
    NetworkSpec spec;
    std::string created;  ///< RFC 3339
    bool predefined = false;
    AddressPools addresses;  ///< empty where containers get none: host, none, a driver without networks of its own
    std::map<std::string, api::EndpointResource> members;  ///< by container id: those that run
  };
  struct Table {
    std::map<std::string, Entry, std::less<>> by_id;  // ordered: a prefix is a range
    std::map<std::string, std::string, std::less<>> id_of_name;
  };

  static const Entry* lookup(const Table& table, std::string_view reference);
  static const Entry& require_network(const Table& table, std::string_view reference);
  static api::NetworkInspect describe(const Entry& entry);
  static bool is_wanted(const Entry& entry, const api::Filters& filters);
  std::vector<api::IPAMConfig> complete_ipam(const api::NetworkCreateRequest& request, std::vector<Subnet> taken) const;
  Entry make_entry(std::string name, std::string driver, api::NetworkCreateRequest request) const;
  Task<Entry> create_in_driver(std::string driver, api::NetworkCreateRequest request);
  Task<void> save(Entry entry);
  Task<void> make_predefined(std::string name, std::string driver);
  void restore_members();
  Task<void> restore_driver();
  Task<void> remove_network(std::string id);

  api::EndpointSettings take_endpoint(Entry& entry, const WorkloadSpec& workload, api::EndpointSettings endpoint) const;
  void give_back(std::string_view network_id, const ContainerId& container);
  Task<api::EndpointSettings> join_one(std::string name, WorkloadSpec workload, api::EndpointSettings endpoint);
  Task<std::optional<NetworkSpec>> leave_one(WorkloadSpec workload, api::EndpointSettings endpoint);
  bool gives_addresses(const ContainerNetworks& networks) const;
  Task<void> publish_ports(WorkloadSpec workload, ContainerNetworks& networks);
  Task<void> release(ContainerId id);
  Task<std::vector<Subnet>> taken_subnets();
  void publish(std::string action, const NetworkSpec& network, const ContainerId* container = nullptr);

  NetworkDriver& driver_;
  StateStore& store_;
  EventBus& events_;
  ContainerTable& containers_;
  Clock& clock_;
  Random& random_;
  OperationLock changes_;  // create, remove, connect and disconnect take turns
  Guarded<Table> networks_;
  PortAllocator ports_;
};

}  // namespace sockerless
