#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/local/network/firewall.hpp"
#include "backends/local/network/name_server.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

class Netlink;

/// What a container's own files say about its networks.
struct NetworkFacts {
  std::vector<std::string> addresses{};                                        ///< its own
  std::vector<std::pair<std::string, std::vector<std::string>>> neighbours{};  ///< links: address, names
  std::vector<std::string> name_servers{};                                     ///< of its user networks
  std::string host_gateway{};                                                  ///< the host as the container sees it
};

/// Bridges, interfaces, namespaces, rules and names of one daemon on this host. Everything that belongs to it can be told from other
/// programs' work: interfaces are in its group, rules in its table, namespaces and name files under /run/sockerless/<hash>/.
///
/// Shared by the network driver, which changes it, and the workload driver, which asks for namespaces and files. Threads: any; everything
/// blocks.
class HostNetworks {
 public:
  /// @param state  the state directory; its hash tells several daemons' things apart. Nothing is touched yet.
  explicit HostNetworks(const std::string& state);
  ~HostNetworks();
  HostNetworks(const HostNetworks&) = delete;
  HostNetworks& operator=(const HostNetworks&) = delete;

  /// Makes the bridge. @errors forbidden: the host uses these addresses already.
  void blocking_create(const NetworkSpec& network);
  void blocking_remove(const NetworkSpec& network);
  void blocking_connect(const NetworkSpec& network, const WorkloadSpec& workload, const api::EndpointSettings& endpoint);
  void blocking_disconnect(const NetworkSpec& network, const WorkloadSpec& workload);
  /// Makes the container's published ports what is given. @errors internal, in Docker's words: another program has one.
  void blocking_publish(const WorkloadSpec& workload, const std::string& endpoint_id, const std::vector<api::PortSummary>& ports);
  /// Lets go of the container's namespace and all that it has.
  void blocking_release(const ContainerId& id);

  /// Meets what earlier daemons left: what is known stays as it is or is made again, the rest goes.
  void blocking_restore(const std::vector<NetworkSpec>& networks, const std::vector<NetworkMember>& members);
  /// Removes everything, unless a container is still there.
  void blocking_stop();
  /// Writes the rules again when another program has flushed them.
  void blocking_repair();

  std::vector<std::string> blocking_taken_subnets();
  static bool can_bind(const std::string& protocol, const std::string& address, std::uint16_t port);

  /// The container's network namespace, made when it is not there yet. @return its path.
  std::string blocking_namespace(const ContainerId& id);
  /// @errors conflict, in Docker's words: a linked container does not run.
  NetworkFacts facts_of(const WorkloadSpec& workload) const;
  const std::string& table_name() const { return table_; }

 private:
  struct Endpoint {
    std::string network;  // id
    api::EndpointSettings settings;
  };
  struct Container {
    std::string name{};
    std::string hostname{};
    std::vector<std::string> dns{};     // its own choice of name servers
    std::vector<Endpoint> endpoints{};  // in the order of joining
    std::vector<api::PortSummary> ports{};
    std::vector<UniqueFd> reserved{};  // sockets that keep other programs off the ports
  };
  struct Tables {
    std::map<std::string, NetworkSpec> networks{};  // by id: those with addresses
    std::map<std::string, Container> containers{};  // by id
  };

  static void describe(Container& container, const WorkloadSpec& workload);
  std::string namespace_path(const std::string& container) const;
  std::string interface_name(const std::string& container, const std::string& network) const;
  bool ensure_bridge(Netlink& host, const NetworkSpec& network);
  void plug(const NetworkSpec& network, const std::string& container, const api::EndpointSettings& settings);
  void undo_connect(const std::string& container, const std::string& network);
  void route_by_next(const std::string& container);
  void change_files(const WorkloadSpec& workload, const api::EndpointSettings& endpoint, bool joined) const;
  std::vector<std::string> name_servers_of(const std::string& id) const;
  void refresh_names_of(const std::string& id, const std::string& left);
  bool is_shut_in(const Container& container) const;
  void add_names(const std::string& id, const Container& container, const std::string& network, NamedNetwork& named) const;
  std::vector<Forwarding> forwardings_of(const std::string& container) const;
  void refresh_names(const std::string& network);
  void write_names(const std::string& network);
  void add_links(const WorkloadSpec& workload, const Endpoint& endpoint, bool legacy, NetworkFacts& facts) const;
  void restore_member(const NetworkMember& member);
  void restore_names();
  void remove_strangers();
  void remove_orphans() const;
  void remove_all();

  const std::string state_;
  const std::string base_;  // /run/sockerless/<hash>
  const std::string table_;
  const std::uint32_t group_;
  Firewall firewall_;
  NameServer names_;
  std::mutex names_order_;  // the names of one network are put together and written in one step
  mutable std::mutex mutex_;
  Tables tables_;  // guarded by mutex_
};

}  // namespace sockerless::local
