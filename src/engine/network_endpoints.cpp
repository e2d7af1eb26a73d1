// The containers' side of networks: what they are to join, joining and leaving at start and stop, connect and disconnect.

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/network_service.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr std::string_view kSharedMode = "container:";

Error host_conflict() { return Error::invalid_argument("container cannot be disconnected from host network or connected to host network"); }
Error none_conflict() {
  return Error::invalid_argument("container cannot be connected to multiple networks with one of the networks in private (none) mode");
}
Error shared_conflict() {
  return Error::invalid_argument(
      "container sharing network namespace with another container or host cannot be connected to any other network");
}

bool is_user_defined(std::string_view network) {
  return network != "bridge" && network != "host" && network != "none" && network != "default" && !network.starts_with(kSharedMode);
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool separator = i % 3 == 2;
    if (separator ? text[i] != ':' && text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

/// As Docker and the kernel write it.
std::string normalised_mac(std::string text) {
  for (char& c : text) c = c == '-' ? ':' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// dockerd's checks of what a client says about an endpoint, all at once.
void check_endpoint(const std::string& network, const api::EndpointSettings& endpoint) {
  std::string problems;
  const api::EndpointIPAMConfig ipam = endpoint.ipam_config.value_or(api::EndpointIPAMConfig());
  const std::string v4 = ipam.ipv4_address.value_or("");
  const std::string v6 = ipam.ipv6_address.value_or("");
  if (!is_user_defined(network)) {
    if (!v4.empty() || !v6.empty()) problems += "\nuser specified IP address is supported on user defined networks only";
    if (endpoint.aliases && !endpoint.aliases->empty())
      problems += "\nnetwork-scoped alias is supported only for containers in user defined networks";
  }
  const auto is_family = [](const std::string& text, bool wanted_v6) {
    const auto address = IpAddress::find(text);
    return address && address->is_v6() == wanted_v6;
  };
  if (!v4.empty() && !is_family(v4, false)) problems += "\ninvalid IPv4 address: " + v4;
  if (!v6.empty() && !is_family(v6, true)) problems += "\ninvalid IPv6 address: " + v6;
  if (const std::string mac = endpoint.mac_address.value_or(""); !mac.empty() && !is_mac(mac)) problems += "\ninvalid MAC address: " + mac;
  if (!problems.empty()) throw Error::invalid_argument("invalid config for network {}: invalid endpoint settings:{}", network, problems);
}

/// The names by which others on a user-defined network find the container.
std::vector<std::string> dns_names(const WorkloadSpec& workload, const api::EndpointSettings& endpoint) {
  std::vector<std::string> names{workload.name};
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const auto& alias : endpoint.aliases.value_or(std::vector<std::string>())) add(alias);
  add(workload.id.short_str());
  add(workload.config.hostname.value_or(""));
  return names;
}

/// Docker's 02:42 and four bytes of the address.
std::string mac_of(const std::string& address) {
  const auto parsed = IpAddress::find(address);
  if (!parsed) return {};
  const auto low = static_cast<std::uint32_t>(parsed->value());
  return fmt::format("02:42:{:02x}:{:02x}:{:02x}:{:02x}", low >> 24, (low >> 16) & 0xff, (low >> 8) & 0xff, low & 0xff);
}

std::string mac_of(const api::EndpointSettings& endpoint) {
  const std::string v4 = endpoint.ip_address.value_or("");
  return mac_of(v4.empty() ? endpoint.global_ipv6_address.value_or("") : v4);
}

/// What stays of an endpoint while the container does not run.
api::EndpointSettings at_rest(api::EndpointSettings endpoint) {
  if (endpoint.mac_address && *endpoint.mac_address == mac_of(endpoint)) endpoint.mac_address.reset();  // ours, not the client's
  endpoint.endpoint_id.reset();
  endpoint.gateway.reset();
  endpoint.ip_address.reset();
  endpoint.ip_prefix_len.reset();
  endpoint.ipv6_gateway.reset();
  endpoint.global_ipv6_address.reset();
  endpoint.global_ipv6_prefix_len.reset();
  return endpoint;
}

bool has_address(const api::EndpointSettings& endpoint) {
  return !endpoint.ip_address.value_or("").empty() || !endpoint.global_ipv6_address.value_or("").empty();
}

void forget_run(ContainerNetworks& networks) {
  networks.settings = {};
  networks.ports.clear();
}

}  // namespace

ContainerNetworks NetworkService::plan(const WorkloadSpec& spec, const std::map<std::string, api::EndpointSettings>& endpoints) const {
  ContainerNetworks planned;
  const std::string mode = spec.network_mode.empty() || spec.network_mode == "default" ? "bridge" : spec.network_mode;
  if (mode.starts_with(kSharedMode)) {
    if (!endpoints.empty()) throw shared_conflict();
    return planned;
  }
  const auto add = [&](const std::string& reference, api::EndpointSettings endpoint) {
    const auto [name, id] = networks_.read([&](const Table& table) {
      const Entry* entry = lookup(table, reference);
      return entry == nullptr ? std::pair(reference, std::string()) : std::pair(entry->spec.name, entry->spec.id.str());
    });
    check_endpoint(name, endpoint);
    if (!id.empty()) endpoint.network_id = id;
    if (is_user_defined(name)) endpoint.dns_names = dns_names(spec, endpoint);
    planned.endpoints.insert_or_assign(name, at_rest(std::move(endpoint)));
  };
  add(mode, {});
  for (const auto& [reference, endpoint] : endpoints) add(reference, endpoint);
  if (planned.endpoints.size() > 1 && planned.endpoints.contains("host")) throw host_conflict();
  if (planned.endpoints.size() > 1 && planned.endpoints.contains("none")) throw none_conflict();
  const std::string mac = spec.config.mac_address.value_or("");
  if (auto& first = planned.endpoints.begin()->second; !mac.empty() && planned.endpoints.size() == 1 && !first.mac_address)
    first.mac_address = mac;
  return planned;
}

/// Under the table's lock.
api::EndpointSettings NetworkService::take_endpoint(Entry& entry, const WorkloadSpec& workload, api::EndpointSettings endpoint) const {
  const api::EndpointIPAMConfig wanted = endpoint.ipam_config.value_or(api::EndpointIPAMConfig());
  const auto take = [&](bool v6, const std::string& address) {
    return address.empty() ? entry.addresses.take(v6) : entry.addresses.take(*IpAddress::find(address));
  };
  endpoint.network_id = entry.spec.id.str();
  endpoint.endpoint_id = random_.hex64();
  api::EndpointResource member;
  if (entry.addresses.has(false)) {
    const auto v4 = take(false, wanted.ipv4_address.value_or(""));
    endpoint.ip_address = v4.address;
    endpoint.ip_prefix_len = v4.prefix;
    if (!entry.spec.request.internal.value_or(false)) endpoint.gateway = v4.gateway;
    member.ipv4_address = fmt::format("{}/{}", v4.address, v4.prefix);
  }
  if (entry.addresses.has(true)) {
    try {
      const auto v6 = take(true, wanted.ipv6_address.value_or(""));
      endpoint.global_ipv6_address = v6.address;
      endpoint.global_ipv6_prefix_len = v6.prefix;
      endpoint.ipv6_gateway = v6.gateway;
      member.ipv6_address = fmt::format("{}/{}", v6.address, v6.prefix);
    } catch (const Error&) {
      entry.addresses.give_back(endpoint.ip_address.value_or(""));
      throw;
    }
  }
  const std::string mac = endpoint.mac_address.value_or("");
  endpoint.mac_address = mac.empty() ? mac_of(endpoint) : normalised_mac(mac);
  if (is_user_defined(entry.spec.name)) endpoint.dns_names = dns_names(workload, endpoint);
  member.name = workload.name;
  member.endpoint_id = endpoint.endpoint_id;
  member.mac_address = endpoint.mac_address;
  entry.members[workload.id.str()] = std::move(member);
  return endpoint;
}

void NetworkService::give_back(std::string_view network_id, const ContainerId& container) {
  networks_.write([&](Table& table) {
    const auto it = table.by_id.find(network_id);
    if (it == table.by_id.end()) return;
    const auto member = it->second.members.find(container.str());
    if (member == it->second.members.end()) return;
    for (const auto& address : {member->second.ipv4_address.value_or(""), member->second.ipv6_address.value_or("")}) {
      it->second.addresses.give_back(std::string_view(address).substr(0, address.find('/')));
    }
    it->second.members.erase(member);
  });
}

Task<api::EndpointSettings> NetworkService::join_one(std::string name, WorkloadSpec workload, api::EndpointSettings endpoint) {
  std::optional<NetworkSpec> network;
  bool has_addresses = false;
  endpoint = networks_.write([&](Table& table) {
    const Entry* found = lookup(table, name);
    if (found == nullptr && !endpoint.network_id.value_or("").empty()) found = lookup(table, *endpoint.network_id);
    if (found == nullptr) throw Error::not_found("failed to set up container networking: network {} not found", name);
    Entry& entry = table.by_id.find(found->spec.id.str())->second;
    network = entry.spec;
    has_addresses = !entry.addresses.subnets().empty();
    return take_endpoint(entry, workload, endpoint);
  });
  std::exception_ptr failure;
  try {
    if (has_addresses) co_await driver_.connect(*network, workload, endpoint);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    give_back(network->id.str(), workload.id);
    std::rethrow_exception(failure);
  }
  publish("connect", *network, &workload.id);
  co_return endpoint;
}

/// @return the network that was left; nothing: the container was not on it.
Task<std::optional<NetworkSpec>> NetworkService::leave_one(WorkloadSpec workload, api::EndpointSettings endpoint) {
  const std::string id = endpoint.network_id.value_or("");
  std::optional<NetworkSpec> network;
  bool has_addresses = false;
  networks_.read([&](const Table& table) {
    const auto it = table.by_id.find(id);
    if (it == table.by_id.end() || !it->second.members.contains(workload.id.str())) return;
    network = it->second.spec;
    has_addresses = !it->second.addresses.subnets().empty();
  });
  if (!network) co_return std::nullopt;
  try {
    if (has_addresses) co_await driver_.disconnect(*network, workload);
  } catch (const std::exception& error) {
    log.warn("leaving a network failed container={} network={} error={}", workload.id.str(), network->name, error.what());
  }
  give_back(id, workload.id);
  co_return network;
}

void NetworkService::publish_left(const ContainerId& container, const std::vector<NetworkSpec>& networks) {
  for (const auto& network : networks) publish("disconnect", network, &container);
}

bool NetworkService::gives_addresses(const ContainerNetworks& networks) const {
  return std::ranges::any_of(networks.endpoints, [](const auto& item) { return has_address(item.second); });
}

/// Publishes ports where there is an address to publish them for.
Task<void> NetworkService::publish_ports(WorkloadSpec workload, ContainerNetworks& networks) {
  const auto with_address = std::ranges::find_if(networks.endpoints, [](const auto& item) { return has_address(item.second); });
  const bool bound = with_address != networks.endpoints.end();
  const std::string endpoint_id = bound ? with_address->second.endpoint_id.value_or("") : "";
  PublishedPorts published =
      bound
          ? ports_.take(workload, endpoint_id,
                        [this](const auto& protocol, const auto& address, auto port) { return driver_.can_bind(protocol, address, port); })
          : unpublished_ports(workload);
  networks.settings.ports = std::move(published.map);
  networks.ports = std::move(published.ports);
  if (bound) co_await driver_.publish(std::move(workload), endpoint_id, networks.ports);
}

/// What the driver holds for a run that is over, or did not begin.
Task<void> NetworkService::release(ContainerId id) {
  try {
    co_await driver_.release(id);
  } catch (const std::exception& error) {
    log.warn("a container's network is not released container={} error={}", id.str(), error.what());
  }
  ports_.give_back(id);  // last: until then the driver has them
}

Task<ContainerNetworks> NetworkService::join(ContainerPtr container) {
  const ContainerSnapshot now = container->snapshot();
  const WorkloadSpec& workload = now.definition->spec;
  ContainerNetworks joined = *now.networks;
  forget_run(joined);
  std::vector<std::string> done;
  std::exception_ptr failure;
  try {
    for (auto& [name, endpoint] : joined.endpoints) {
      endpoint = co_await join_one(name, workload, endpoint);
      done.push_back(name);
    }
    co_await publish_ports(workload, joined);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await release(workload.id);
    for (const auto& name : done) {
      if (const auto left = co_await leave_one(workload, joined.endpoints[name])) publish_left(workload.id, {*left});
    }
    std::rethrow_exception(failure);
  }
  joined.settings.sandbox_id = random_.hex64();
  co_return joined;
}

Task<LeftNetworks> NetworkService::leave(ContainerPtr container, ContainerNetworks joined) {
  const auto definition = container->definition();
  std::vector<NetworkSpec> networks;
  co_await release(container->id());  // first: of a run that is over nothing has to be taken apart
  for (auto& [name, endpoint] : joined.endpoints) {
    if (auto left = co_await leave_one(definition->spec, endpoint)) networks.push_back(std::move(*left));
    endpoint = at_rest(std::move(endpoint));
  }
  forget_run(joined);
  co_return LeftNetworks{std::move(joined), std::move(networks)};
}

Task<void> NetworkService::connect(NetworkRef network, api::NetworkConnectRequest request) {
  const ContainerPtr container = containers_.get(request.container);
  const std::string name = networks_.read([&](const Table& table) { return require_network(table, network.text).spec.name; });
  const OperationLock::Guard turn = co_await container->operations.acquire();
  if (container->is_removed()) throw Error::not_found("No such container: {}", request.container);
  const OperationLock::Guard order = co_await container->signalling.acquire();  // the end of a run leaves the networks before or after
  const ContainerSnapshot now = container->snapshot();
  const WorkloadSpec& workload = now.definition->spec;
  if (workload.network_mode.starts_with(kSharedMode)) throw shared_conflict();
  if (name == "host" || now.networks->endpoints.contains("host")) throw host_conflict();
  if (name == "none" || now.networks->endpoints.contains("none")) throw none_conflict();
  if (now.networks->endpoints.contains(name)) {
    throw Error::forbidden("endpoint with name {} already exists in network {}", workload.name, name);
  }
  if (!driver_.has_user_networks())
    throw Error::not_implemented("this backend cannot connect a container to another network; give it at create");
  auto endpoint = request.endpoint_config.value_or(api::EndpointSettings());
  check_endpoint(name, endpoint);
  endpoint = at_rest(std::move(endpoint));
  endpoint.network_id = find_id(name);
  if (is_user_defined(name)) endpoint.dns_names = dns_names(workload, endpoint);
  if (now.state->has_process()) endpoint = co_await join_one(name, workload, std::move(endpoint));
  ContainerNetworks networks = *container->networks();
  networks.endpoints.insert_or_assign(name, std::move(endpoint));
  container->set_networks(std::move(networks));
  co_await containers_.save_state(container);
}

Task<void> NetworkService::disconnect(NetworkRef network, api::NetworkDisconnectRequest request) {
  const std::string name = networks_.read([&](const Table& table) { return require_network(table, network.text).spec.name; });
  const ContainerPtr container = containers_.get(request.container);
  const OperationLock::Guard turn = co_await container->operations.acquire();
  if (container->is_removed()) throw Error::not_found("No such container: {}", request.container);
  const OperationLock::Guard order = co_await container->signalling.acquire();  // as in connect
  if (name == "host") throw host_conflict();
  const auto definition = container->definition();
  ContainerNetworks networks = *container->networks();
  const auto it = networks.endpoints.find(name);
  if (it == networks.endpoints.end()) {
    throw Error::forbidden("container {} is not connected to the network {}", container->id().str(), name);
  }
  if (!driver_.has_user_networks()) throw Error::not_implemented("this backend cannot disconnect a container from its network");
  if (container->state()->has_process()) {
    if (const auto left = co_await leave_one(definition->spec, it->second)) publish_left(container->id(), {*left});
  }
  networks.endpoints.erase(it);
  if (!networks.ports.empty() && !gives_addresses(networks)) {
    ports_.give_back(container->id());
    PublishedPorts ports = unpublished_ports(definition->spec);
    networks.settings.ports = std::move(ports.map);
    networks.ports = std::move(ports.ports);
  }
  container->set_networks(std::move(networks));
  co_await containers_.save_state(container);
}

}  // namespace sockerless
