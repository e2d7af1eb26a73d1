#include "backends/local/network/host_networks.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "backends/local/container_store.hpp"
#include "backends/local/network/hosts_file.hpp"
#include "backends/local/network/netlink.hpp"
#include "backends/local/network/network_plan.hpp"
#include "backends/local/network/port_reservation.hpp"
#include "backends/local/runtime_mounts.hpp"
#include "backends/local/runtime_selection.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/ipam.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

Logger log("local");

constexpr const char* kHostLock = "/run/sockerless/networks.lock";
/// What a container has written into its hosts file beyond this stays as it is.
constexpr std::size_t kLargestFile = 1 << 20;
/// A name server that is never reached: the kernel refuses to send there without SO_BROADCAST.
constexpr const char* kNoNameServer = "255.255.255.255";

std::uint32_t group_of(const std::string& state) {
  // Never a group that people use, and positive for programs that take it for a signed number.
  return static_cast<std::uint32_t>(stable_hash(state) & 0x3fffffff) | 0x40000000;
}

std::string without_prefix(const std::string& address) { return address.substr(0, address.find('/')); }

/// Held while a bridge is made: two daemons must not find the same subnet free.
UniqueFd blocking_lock_host() {
  std::error_code error;
  fs::create_directories(fs::path(kHostLock).parent_path(), error);
  UniqueFd lock = blocking_open(kHostLock, O_RDWR | O_CREAT, 0600);
  while (::flock(lock.get(), LOCK_EX) != 0 && errno == EINTR) continue;
  return lock;
}

std::optional<Subnet> subnet_of(const RouteFacts& route) {
  const bool v6 = route.destination.contains(':');
  return Subnet::find(route.destination.contains('/') ? route.destination : route.destination + (v6 ? "/128" : "/32"));
}

void refuse_overlaps(Netlink& host, const NetworkSpec& network) {
  for (const auto& text : subnets_of(network)) {
    const auto wanted = Subnet::find(text);
    for (const char* reserved : {"127.0.0.0/8", "224.0.0.0/4", "::1/128", "ff00::/8"}) {
      if (wanted && wanted->overlaps(*Subnet::find(reserved)))
        throw Error::forbidden("Pool overlaps with other one on this address space: {} is not for networks", reserved);
    }
    for (const auto& route : host.routes()) {
      const auto used = subnet_of(route);
      if (wanted && used && used->overlaps(*wanted))
        throw Error::forbidden("Pool overlaps with other one on this address space: {} is used by this host", used->str());
    }
  }
}

void set_bridge_options(const NetworkSpec& network) {
  const std::string name = bridge_name(network);
  blocking_set_sysctl("net/ipv4/ip_forward", "1");
  blocking_set_sysctl(fmt::format("net/ipv4/conf/{}/route_localnet", name), "1");  // for ports published on 127.0.0.1
  if (has_ipv6(network)) {
    blocking_set_sysctl("net/ipv6/conf/all/forwarding", "1");
  } else {
    blocking_set_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", name), "1");
  }
}

std::optional<LinkFacts> find_by_mac(Netlink& inside, const std::string& mac) {
  for (auto& link : inside.links()) {
    if (link.mac == mac) return link;
  }
  return std::nullopt;
}

std::string free_name(Netlink& inside) {
  const auto links = inside.links();
  for (int number = 0;; ++number) {
    std::string name = fmt::format("eth{}", number);
    if (std::ranges::none_of(links, [&](const LinkFacts& link) { return link.name == name; })) return name;
  }
}

std::string with_prefix(const std::optional<std::string>& address, std::optional<std::int64_t> prefix) {
  return address.value_or("").empty() ? std::string() : fmt::format("{}/{}", *address, prefix.value_or(0));
}

/// The first endpoint that has a gateway keeps the default route.
void set_routes(Netlink& inside, int index, const NetworkSpec& network, const api::EndpointSettings& settings) {
  if (is_internal(network)) return;
  for (const auto& gateway : {settings.gateway.value_or(""), settings.ipv6_gateway.value_or("")}) {
    if (!gateway.empty()) inside.add_default_route(index, gateway);
  }
}

/// A larger file gives one byte more than the largest.
std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kLargestFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// On a user network its own name server is asked, and that one asks those of the container's options.
std::string resolv_text(const WorkloadSpec& workload, const std::vector<std::string>& servers) {
  const auto& host = workload.host_config;
  const std::vector<std::string> none;
  return make_resolv_conf(read_file("/etc/resolv.conf"), servers.empty() ? host.dns.value_or(none) : servers,
                          host.dns_search.value_or(none), host.dns_options.value_or(none), false);
}

}  // namespace

HostNetworks::HostNetworks(const std::string& state)
    : state_(state),
      base_(runtime_folder(state)),
      table_(fmt::format("sockerless_{:016x}", stable_hash(state))),
      group_(group_of(state)),
      firewall_(table_, group_),
      names_(base_ + "/names") {}

HostNetworks::~HostNetworks() = default;

void HostNetworks::describe(Container& container, const WorkloadSpec& workload) {
  container.name = workload.name;
  container.hostname = workload.config.hostname.value_or("");
  container.dns = workload.host_config.dns.value_or(std::vector<std::string>());
}

std::string HostNetworks::namespace_path(const std::string& container) const { return base_ + "/netns/" + container; }

std::string HostNetworks::interface_name(const std::string& container, const std::string& network) const {
  return fmt::format("veth{:011x}", stable_hash(base_ + container + network) & 0xfffffffffff);
}

// ---- networks

/// @return whether it was made.
bool HostNetworks::ensure_bridge(Netlink& host, const NetworkSpec& network) {
  const std::string name = bridge_name(network);
  const auto exists = [&] {
    const auto link = host.find_link(name);
    if (link && link->group != group_) throw Error::forbidden("the interface {} exists already and belongs to another program", name);
    return link.has_value();
  };
  if (exists()) return false;
  const UniqueFd turn = blocking_lock_host();
  if (exists()) return false;
  fs::create_directories(base_);
  write_file(base_ + "/state", state_);  // whose it is, for the daemon that finds the folder when this one is gone
  refuse_overlaps(host, network);
  host.add_bridge(plan_bridge(network, group_));
  try {
    const int index = host.find_link(name).value().index;
    set_bridge_options(network);
    for (const auto& address : gateway_addresses(network)) host.add_address(index, address);
  } catch (...) {
    const Error error = current_error();
    host.remove_link(name);
    throw Error(error);
  }
  return true;
}

void HostNetworks::blocking_create(const NetworkSpec& network) {
  if (subnets_of(network).empty()) return;
  Netlink host;
  ensure_bridge(host, network);
  try {
    firewall_.blocking_set_network(network.id.str(), plan_filter(network));
  } catch (...) {
    const Error error = current_error();
    host.remove_link(bridge_name(network));
    throw Error(error);
  }
  const std::scoped_lock lock(mutex_);
  tables_.networks.insert_or_assign(network.id.str(), network);
}

void HostNetworks::blocking_remove(const NetworkSpec& network) {
  const std::string id = network.id.str();
  names_.blocking_remove(id);
  Netlink host;
  if (const auto link = host.find_link(bridge_name(network)); link && link->group == group_) host.remove_link(link->name);
  firewall_.blocking_remove_network(id);
  const std::scoped_lock lock(mutex_);
  tables_.networks.erase(id);
}

// ---- containers on networks

std::string HostNetworks::blocking_namespace(const ContainerId& id) {
  std::string path = namespace_path(id.str());
  if (blocking_is_namespace(path)) return path;
  fs::create_directories(fs::path(path).parent_path());
  blocking_in_namespace(path, true, [](int) {});
  return path;
}

void HostNetworks::plug(const NetworkSpec& network, const std::string& container, const api::EndpointSettings& settings) {
  Netlink host;
  if (ensure_bridge(host, network)) firewall_.blocking_set_network(network.id.str(), plan_filter(network));
  VethPlan plan{.name = interface_name(container, network.id.str()),
                .group = group_,
                .bridge = bridge_name(network),
                .peer_name = {},
                .peer_mac = settings.mac_address.value_or(""),
                .peer_namespace = -1,
                .mtu = mtu_of(network)};
  const std::string path = namespace_path(container);
  fs::create_directories(fs::path(path).parent_path());
  blocking_in_namespace(path, true, [&](int file) {
    Netlink inside;
    plan.peer_name = free_name(inside);
    plan.peer_namespace = file;
    if (host.find_link(plan.name)) host.remove_link(plan.name);  // of the last run: the kernel takes its time
    host.add_veth(plan);
    if (!plan_filter(network).icc) host.set_isolated(host.find_link(plan.name).value().index);
    const int index = inside.find_link(plan.peer_name).value().index;
    const std::string v6 = with_prefix(settings.global_ipv6_address, settings.global_ipv6_prefix_len);
    if (!v6.empty()) blocking_set_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", plan.peer_name), "0");
    for (const auto& address : {with_prefix(settings.ip_address, settings.ip_prefix_len), v6}) {
      if (!address.empty()) inside.add_address(index, address);
    }
    // The neighbours learn at once where an address is that another container had a moment ago.
    blocking_set_sysctl(fmt::format("net/ipv4/conf/{}/arp_notify", plan.peer_name), "1");
    inside.set_up(index);
    set_routes(inside, index, network, settings);
  });
}

void HostNetworks::blocking_connect(const NetworkSpec& network, const WorkloadSpec& workload, const api::EndpointSettings& endpoint) {
  const std::string id = workload.id.str();
  Endpoint joined{network.id.str(), endpoint};
  try {
    plug(network, id, endpoint);
    {
      const std::scoped_lock lock(mutex_);
      tables_.networks.insert_or_assign(joined.network, network);
      Container& container = tables_.containers[id];
      describe(container, workload);
      std::erase_if(container.endpoints, [&](const Endpoint& one) { return one.network == joined.network; });
      container.endpoints.push_back(joined);
    }
    refresh_names_of(id, {});
    change_files(workload, endpoint, true);
  } catch (...) {
    const Error error = current_error();
    undo_connect(id, joined.network);
    throw Error(error);
  }
}

void HostNetworks::undo_connect(const std::string& container, const std::string& network) {
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = tables_.containers.find(container); it != tables_.containers.end())
      std::erase_if(it->second.endpoints, [&](const Endpoint& one) { return one.network == network; });
  }
  try {
    Netlink().remove_link(interface_name(container, network));
    refresh_names_of(container, network);
  } catch (...) {
    log.warn("a connection that failed is not undone container={} network={} error={}", container, network, current_error().what());
  }
}

void HostNetworks::blocking_disconnect(const NetworkSpec& network, const WorkloadSpec& workload) {
  const std::string id = workload.id.str();
  std::optional<Endpoint> left;
  bool others = false;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = tables_.containers.find(id); it != tables_.containers.end()) {
      auto& endpoints = it->second.endpoints;
      const auto found = std::ranges::find(endpoints, network.id.str(), &Endpoint::network);
      if (found != endpoints.end()) {
        left = std::move(*found);
        endpoints.erase(found);
      }
      others = !endpoints.empty();
    }
  }
  if (!left) return;  // a run that is over has been released whole
  firewall_.blocking_publish(id, forwardings_of(id));
  Netlink().remove_link(interface_name(id, network.id.str()));
  refresh_names_of(id, network.id.str());
  change_files(workload, left->settings, false);
  if (others) route_by_next(id);
}

/// The default route went with the interface it led through: another network takes over.
void HostNetworks::route_by_next(const std::string& container) {
  std::vector<std::pair<NetworkSpec, api::EndpointSettings>> endpoints;
  {
    const std::scoped_lock lock(mutex_);
    const auto self = tables_.containers.find(container);
    if (self == tables_.containers.end()) return;
    for (const auto& endpoint : self->second.endpoints) {
      if (const auto it = tables_.networks.find(endpoint.network); it != tables_.networks.end())
        endpoints.emplace_back(it->second, endpoint.settings);
    }
  }
  const std::string path = namespace_path(container);
  if (!blocking_is_namespace(path)) return;
  blocking_in_namespace(path, false, [&](int) {
    Netlink inside;
    for (const auto& [network, settings] : endpoints) {
      if (const auto link = find_by_mac(inside, settings.mac_address.value_or(""))) set_routes(inside, link->index, network, settings);
    }
  });
}

/// hosts and resolv.conf of a container that runs; a start writes them anew. In place: the container has these very files.
void HostNetworks::change_files(const WorkloadSpec& workload, const api::EndpointSettings& endpoint, bool joined) const {
  const std::string folder = fmt::format("{}/containers/{}/", state_, workload.id.str());
  std::string text = read_file(folder + "hosts");
  if (text.empty()) return;
  if (text.size() <= kLargestFile) {
    const auto names = own_names(workload.config.hostname.value_or(""), workload.config.domainname.value_or(""));
    for (const auto& address : {endpoint.ip_address.value_or(""), endpoint.global_ipv6_address.value_or("")}) {
      if (!address.empty()) text = joined ? add_hosts_line(std::move(text), address, names) : remove_hosts_lines(text, address);
    }
    write_file(folder + "hosts", text);
  }
  std::vector<std::string> servers;
  {
    const std::scoped_lock lock(mutex_);
    servers = name_servers_of(workload.id.str());
  }
  write_file(folder + "resolv.conf", resolv_text(workload, servers));
}

/// Under the lock.
std::vector<std::string> HostNetworks::name_servers_of(const std::string& id) const {
  std::vector<std::string> servers;
  const auto self = tables_.containers.find(id);
  if (self == tables_.containers.end()) return servers;
  for (const auto& endpoint : self->second.endpoints) {
    const auto network = tables_.networks.find(endpoint.network);
    if (network == tables_.networks.end() || is_default_bridge(network->second)) continue;
    for (const auto& gateway : gateway_addresses(network->second)) servers.push_back(without_prefix(gateway));
  }
  return servers;
}

/// Every user network of the container: one of them tells the names of all.
void HostNetworks::refresh_names_of(const std::string& id, const std::string& left) {
  std::set<std::string> networks;
  if (!left.empty()) networks.insert(left);
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = tables_.containers.find(id); it != tables_.containers.end()) {
      for (const auto& endpoint : it->second.endpoints) networks.insert(endpoint.network);
    }
  }
  for (const auto& network : networks) refresh_names(network);
}

void HostNetworks::refresh_names(const std::string& network) {
  const std::scoped_lock order(names_order_);
  write_names(network);
}

void HostNetworks::write_names(const std::string& network) {
  NamedNetwork named;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = tables_.networks.find(network);
    if (it == tables_.networks.end() || is_default_bridge(it->second)) return;
    for (const auto& gateway : gateway_addresses(it->second)) named.listen.push_back(without_prefix(gateway));
    for (const auto& [id, container] : tables_.containers) add_names(id, container, network, named);
  }
  if (named.endpoints.empty()) {
    names_.blocking_remove(network);
  } else {
    names_.blocking_set(network, named);
  }
}

/// Under the lock. Whether no network of the container leads out.
bool HostNetworks::is_shut_in(const Container& container) const {
  return std::ranges::all_of(container.endpoints, [&](const Endpoint& endpoint) {
    const auto network = tables_.networks.find(endpoint.network);
    return network != tables_.networks.end() && is_internal(network->second);
  });
}

/// Under the lock. The container's addresses on its other networks stand there under a name that nobody asks for: the name server goes by
/// the asker's address, and so tells a container the names of all its networks, whichever of their addresses it asks. It sends on what it
/// does not know, which is a way out: for a container on internal networks only, to nowhere.
void HostNetworks::add_names(const std::string& id, const Container& container, const std::string& network, NamedNetwork& named) const {
  if (std::ranges::find(container.endpoints, network, &Endpoint::network) == container.endpoints.end()) return;
  const auto servers = is_shut_in(container) ? std::vector<std::string>{kNoNameServer} : container.dns;
  for (const auto& endpoint : container.endpoints) {
    const bool here = endpoint.network == network;
    auto names = here ? endpoint.settings.dns_names.value_or(std::vector<std::string>())
                      : std::vector<std::string>{fmt::format("_{}", id.substr(0, 12))};
    named.endpoints.push_back(
        {id, endpoint.settings.ip_address.value_or(""), endpoint.settings.global_ipv6_address.value_or(""), std::move(names), servers});
  }
}

// ---- published ports

std::vector<Forwarding> HostNetworks::forwardings_of(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto it = tables_.containers.find(id);
  if (it == tables_.containers.end()) return {};
  std::string v4;
  std::string v6;
  for (const auto& endpoint : it->second.endpoints) {
    const auto network = tables_.networks.find(endpoint.network);
    if (network == tables_.networks.end() || is_internal(network->second)) continue;
    if (v4.empty()) v4 = endpoint.settings.ip_address.value_or("");
    if (v6.empty()) v6 = endpoint.settings.global_ipv6_address.value_or("");
  }
  std::vector<Forwarding> forwardings;
  for (const auto& port : it->second.ports) {
    const std::string host = port.ip.value_or("0.0.0.0");
    const std::string& address = host.contains(':') ? v6 : v4;
    if (port.public_port && !address.empty())
      forwardings.push_back({std::string(port.type.str()), host, *port.public_port, address, port.private_port});
  }
  return forwardings;
}

bool HostNetworks::can_bind(const std::string& protocol, const std::string& address, std::uint16_t port) {
  return reserve_port(protocol, address, port).error == 0;
}

void HostNetworks::blocking_publish(const WorkloadSpec& workload, const std::string& endpoint_id,
                                    const std::vector<api::PortSummary>& ports) {
  std::vector<UniqueFd> reserved;
  for (const auto& port : ports) {
    if (!port.public_port) continue;
    const std::string address = port.ip.value_or("0.0.0.0");
    const bool v6 = address.contains(':');
    PortReservation reservation = reserve_port(std::string(port.type.str()), address, *port.public_port);
    if (reservation.error != 0) {
      std::string words = std::generic_category().message(reservation.error);
      words.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(words.front())));
      throw Error::internal(
          "driver failed programming external connectivity on endpoint {} ({}): Error starting userland proxy: listen {}{} {}:{}: bind: {}",
          workload.name, endpoint_id, port.type.str(), v6 ? "6" : "4", v6 ? "[" + address + "]" : address, *port.public_port, words);
    }
    if (reservation.socket) reserved.push_back(std::move(reservation.socket));
  }
  const std::string id = workload.id.str();
  std::vector<std::string> interfaces;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = tables_.containers.find(id);
    if (it == tables_.containers.end()) return;
    it->second.ports = ports;
    it->second.reserved = std::move(reserved);
    for (const auto& endpoint : it->second.endpoints) interfaces.push_back(interface_name(id, endpoint.network));
  }
  Netlink host;
  for (const auto& name : interfaces) {
    if (const auto link = host.find_link(name)) host.set_hairpin(link->index);
  }
  firewall_.blocking_publish(id, forwardings_of(id));
}

void HostNetworks::blocking_release(const ContainerId& id) {
  std::optional<Container> gone;
  {
    const std::scoped_lock lock(mutex_);
    if (auto node = tables_.containers.extract(id.str())) gone = std::move(node.mapped());
  }
  firewall_.blocking_publish(id.str(), {});
  blocking_remove_namespace(namespace_path(id.str()));  // the interfaces in it go with it, which takes long: nobody waits
  if (gone) {
    for (const Endpoint& endpoint : gone->endpoints) refresh_names(endpoint.network);
  }
}

// ---- what the container's files say

NetworkFacts HostNetworks::facts_of(const WorkloadSpec& workload) const {
  NetworkFacts facts;
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, network] : tables_.networks) {
    const auto gateways = gateway_addresses(network);
    if (is_default_bridge(network) && !gateways.empty()) facts.host_gateway = without_prefix(gateways.front());
  }
  const auto self = tables_.containers.find(workload.id.str());
  if (self == tables_.containers.end()) return facts;
  facts.name_servers = name_servers_of(workload.id.str());
  for (const auto& endpoint : self->second.endpoints) {
    for (const auto& address : {endpoint.settings.ip_address.value_or(""), endpoint.settings.global_ipv6_address.value_or("")}) {
      if (!address.empty()) facts.addresses.push_back(address);
    }
    const auto network = tables_.networks.find(endpoint.network);
    if (network == tables_.networks.end()) continue;
    add_links(workload, endpoint, is_default_bridge(network->second), facts);
  }
  return facts;
}

/// Under the lock. A link is a name for another container that only this one knows.
void HostNetworks::add_links(const WorkloadSpec& workload, const Endpoint& endpoint, bool legacy, NetworkFacts& facts) const {
  const auto links = legacy ? workload.host_config.links.value_or(std::vector<std::string>())
                            : endpoint.settings.links.value_or(std::vector<std::string>());
  for (const auto& link : links) {
    const std::size_t colon = link.find(':');
    std::string wanted = link.substr(0, colon);
    if (wanted.starts_with('/')) wanted.erase(0, 1);
    std::string alias = colon == std::string::npos ? wanted : link.substr(colon + 1);
    alias = alias.substr(alias.rfind('/') + 1);
    const auto other = std::ranges::find_if(tables_.containers, [&](const auto& item) {
      return item.second.name == wanted || (wanted.size() >= 12 && item.first.starts_with(wanted));
    });
    const Endpoint* target = nullptr;
    if (other != tables_.containers.end()) {
      const auto found = std::ranges::find(other->second.endpoints, endpoint.network, &Endpoint::network);
      if (found != other->second.endpoints.end()) target = &*found;
    }
    if (target == nullptr) {
      if (legacy) throw Error::internal("Cannot link to a non running container: /{} AS /{}/{}", wanted, workload.name, alias);
      continue;
    }
    std::vector<std::string> names{alias};
    for (const auto& name : {other->second.hostname, other->second.name}) {
      if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    facts.neighbours.emplace_back(target->settings.ip_address.value_or(""), std::move(names));
  }
}

}  // namespace sockerless::local
