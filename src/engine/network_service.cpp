#include "engine/network_service.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/until_filter.hpp"

namespace sockerless {

namespace {

Logger log("engine");

const std::map<std::string, std::string>& labels_of(const NetworkSpec& network) {
  static const std::map<std::string, std::string> kNone;
  return network.request.labels ? *network.request.labels : kNone;
}

constexpr int kMostSubnetTries = 5;

bool is_predefined_name(std::string_view name) { return name == "bridge" || name == "host" || name == "none" || name == "default"; }

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// What this engine cannot do for any driver.
void refuse_unsupported(const api::NetworkCreateRequest& request, const std::string& driver) {
  if (driver == "host" || driver == "null") throw Error::forbidden("only one instance of \"{}\" network is allowed", driver);
  if (driver == "overlay") {
    throw Error::unavailable(
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try "
        "again.");
  }
  if (driver == "macvlan" || driver == "ipvlan")
    throw Error::not_implemented("networks of driver {} are not implemented; use the driver bridge", driver);
  if (driver != "bridge") throw Error::not_found("could not find plugin {} in v1 plugin registry: plugin \"{}\" not found", driver, driver);
  if (request.config_only.value_or(false) || (request.config_from && !request.config_from->network.value_or("").empty())) {
    throw Error::not_implemented("configuration-only networks are not implemented; give each network its own options");
  }
  if (request.ingress.value_or(false)) throw Error::not_implemented("ingress networks belong to swarm mode, which is not implemented");
  const std::string ipam = request.ipam ? request.ipam->driver.value_or("") : "";
  if (!ipam.empty() && ipam != "default") throw Error::not_found("plugin \"{}\" not found", ipam);
}

std::string document_of(const std::string& id, const std::string& created, bool predefined, const api::NetworkCreateRequest& request) {
  return boost::json::serialize(
      boost::json::object{{"id", id}, {"created", created}, {"predefined", predefined}, {"request", api::to_json(request)}});
}

}  // namespace

NetworkService::NetworkService(NetworkDriver& driver, StateStore& store, EventBus& events, ContainerTable& containers, Clock& clock,
                               Random& random)
    : driver_(driver), store_(store), events_(events), containers_(containers), clock_(clock), random_(random) {}

// ---- what is known

Task<void> NetworkService::restore() {
  Table table;
  for (const auto& [id, document] : co_await store_.load_all(StateKind::network)) {
    try {
      const auto value = boost::json::parse(document);
      auto request = api::parse_json<api::NetworkCreateRequest>(std::string_view(value.at("request").as_string()));
      Entry entry{.spec = {NetworkId::parse(id), request.name, request},
                  .created = std::string(value.at("created").as_string()),
                  .predefined = value.at("predefined").as_bool(),
                  .addresses = AddressPools(request.ipam && request.ipam->config ? *request.ipam->config : std::vector<api::IPAMConfig>()),
                  .members = {}};
      table.id_of_name[entry.spec.name] = id;
      table.by_id.emplace(id, std::move(entry));
    } catch (const std::exception& error) {
      log.warn("a network cannot be read id={} error={}", id, error.what());
    }
  }
  networks_.write([&](Table& networks) { networks = std::move(table); });
  co_await restore_driver();
  co_await make_predefined("bridge", "bridge");
  co_await make_predefined("host", "host");
  co_await make_predefined("none", "null");
  restore_members();
}

/// What the driver finds on the host is either known here or nobody's.
Task<void> NetworkService::restore_driver() {
  auto networks = networks_.read([](const Table& table) {
    std::vector<NetworkSpec> all;
    for (const auto& [id, entry] : table.by_id) all.push_back(entry.spec);
    return all;
  });
  std::vector<NetworkMember> members;
  for (const auto& container : containers_.all()) {
    const ContainerSnapshot now = container->snapshot();
    if (now.state->has_process()) members.push_back({now.definition->spec, now.networks->endpoints, now.networks->ports});
  }
  try {
    co_await driver_.restore(std::move(networks), std::move(members));
  } catch (const std::exception& error) {
    log.error("networks are not restored error={}", error.what());
  }
}

Task<std::vector<Subnet>> NetworkService::taken_subnets() {
  std::vector<Subnet> taken;
  try {
    for (const auto& text : co_await driver_.taken_subnets()) {
      if (const auto subnet = Subnet::find(text)) taken.push_back(*subnet);
    }
  } catch (const std::exception& error) {
    log.warn("which subnets the host uses is not known error={}", error.what());
  }
  co_return taken;
}

Task<void> NetworkService::make_predefined(std::string name, std::string driver) {
  const bool wants_addresses = name == "bridge" && driver_.has_user_networks();
  std::string without_addresses;
  const bool is_there = networks_.read([&](const Table& table) {
    const auto known = table.id_of_name.find(name);
    if (known == table.id_of_name.end()) return false;
    const bool has_addresses = !table.by_id.find(known->second)->second.addresses.subnets().empty();
    if (wants_addresses && !has_addresses) without_addresses = known->second;
    return without_addresses.empty();
  });
  if (is_there) co_return;
  api::NetworkCreateRequest request;
  request.name = name;
  request.ipam.emplace().driver = "default";
  if (name == "bridge") request.options.emplace()["com.docker.network.bridge.default_bridge"] = "true";
  Entry entry = make_entry(name, driver, request);
  try {
    if (wants_addresses) {
      entry = co_await create_in_driver(std::move(driver), std::move(request));
    } else {
      co_await driver_.create(entry.spec);
    }
  } catch (const std::exception& error) {  // the next start tries again
    log.warn("the network {} cannot be made error={}", name, error.what());
  }
  entry.predefined = true;
  co_await save(entry);
  if (!without_addresses.empty()) co_await store_.erase(StateKind::network, without_addresses);
  networks_.write([&](Table& table) {
    table.by_id.erase(without_addresses);
    table.id_of_name[name] = entry.spec.id.str();
    table.by_id.emplace(entry.spec.id.str(), std::move(entry));
  });
}

NetworkService::Entry NetworkService::make_entry(std::string name, std::string driver, api::NetworkCreateRequest request) const {
  request.name = name;
  request.driver = std::move(driver);
  AddressPools addresses;
  if (request.ipam && request.ipam->config) {
    addresses = AddressPools(*request.ipam->config);
    for (auto& config : *request.ipam->config) config.gateway = addresses.gateway_of(*Subnet::find(*config.subnet));
  }
  return {.spec = {NetworkId::parse(random_.hex64()), std::move(name), std::move(request)},
          .created = format_rfc3339(clock_.now()),
          .predefined = false,
          .addresses = std::move(addresses),
          .members = {}};
}

Task<void> NetworkService::save(Entry entry) {
  const std::string& id = entry.spec.id.str();
  co_await store_.put(StateKind::network, id, document_of(id, entry.created, entry.predefined, entry.spec.request));
}

/// The containers that run on have their addresses and ports already.
void NetworkService::restore_members() {
  for (const auto& container : containers_.all()) {
    const ContainerSnapshot now = container->snapshot();
    if (!now.state->has_process()) continue;
    ports_.retake(container->id(), now.networks->ports);
    networks_.write([&](Table& table) {
      for (const auto& [name, endpoint] : now.networks->endpoints) {
        const auto it = table.by_id.find(endpoint.network_id.value_or(""));
        if (it == table.by_id.end() || endpoint.endpoint_id.value_or("").empty()) continue;
        api::EndpointResource member;
        member.name = now.definition->spec.name;
        member.endpoint_id = endpoint.endpoint_id;
        member.mac_address = endpoint.mac_address;
        const auto take = [&](const std::string& address, std::int64_t prefix) {
          const auto parsed = IpAddress::find(address);
          if (!parsed) return std::string();
          it->second.addresses.take(*parsed);
          return fmt::format("{}/{}", address, prefix);
        };
        try {
          member.ipv4_address = take(endpoint.ip_address.value_or(""), endpoint.ip_prefix_len.value_or(0));
          member.ipv6_address = take(endpoint.global_ipv6_address.value_or(""), endpoint.global_ipv6_prefix_len.value_or(0));
        } catch (const Error& error) {
          log.warn("a restored address is not free container={} network={} error={}", container->id().str(), name, error.what());
        }
        it->second.members[container->id().str()] = std::move(member);
      }
    });
  }
}

const NetworkService::Entry* NetworkService::lookup(const Table& table, std::string_view reference) {
  if (reference == "default") reference = "bridge";
  if (const auto it = table.by_id.find(reference); it != table.by_id.end()) return &it->second;
  if (const auto it = table.id_of_name.find(reference); it != table.id_of_name.end()) return &table.by_id.find(it->second)->second;
  const auto first = reference.empty() ? table.by_id.end() : table.by_id.lower_bound(reference);
  if (first == table.by_id.end() || !first->first.starts_with(reference)) return nullptr;
  const auto matches = std::ranges::count_if(table.by_id, [&](const auto& item) { return item.first.starts_with(reference); });
  if (matches > 1) throw Error::invalid_argument("network {} is ambiguous ({} matches found on ID prefix)", reference, matches);
  return &first->second;
}

const NetworkService::Entry& NetworkService::require_network(const Table& table, std::string_view reference) {
  const Entry* entry = lookup(table, reference);
  if (entry == nullptr) throw Error::not_found("network {} not found", reference);
  return *entry;
}

std::string NetworkService::find_id(std::string_view reference) const {
  return networks_.read([&](const Table& table) {
    const Entry* entry = lookup(table, reference);
    return entry == nullptr ? std::string() : entry->spec.id.str();
  });
}

// ---- list, inspect

api::NetworkInspect NetworkService::describe(const Entry& entry) {
  const api::NetworkCreateRequest& request = entry.spec.request;
  api::NetworkInspect network;
  network.name = entry.spec.name;
  network.id = entry.spec.id.str();
  network.created = entry.created;
  network.scope = "local";
  network.driver = request.driver;
  network.enable_ipv4 = request.enable_ipv4.value_or(true);
  network.enable_ipv6 = request.enable_ipv6.value_or(false);
  network.ipam = request.ipam;
  network.internal = request.internal.value_or(false);
  network.attachable = request.attachable.value_or(false);
  network.ingress = false;
  network.config_only = false;
  network.options = request.options.value_or(std::map<std::string, std::string>());
  network.labels = labels_of(entry.spec);
  network.containers = entry.members;
  network.unknown = request.unknown;
  return network;
}

bool NetworkService::is_wanted(const Entry& entry, const api::Filters& filters) {
  if (filters.contains("dangling") && filters.boolean_or("dangling", false) != (!entry.predefined && entry.members.empty())) return false;
  for (const auto& type : filters.get("type")) {
    if (type != "custom" && type != "builtin") throw Error::invalid_argument("invalid filter: 'type'='{}'", type);
  }
  const std::string type = entry.predefined ? "builtin" : "custom";
  return filters.exact_match("driver", entry.spec.request.driver.value_or("")) && filters.exact_match("scope", "local") &&
         filters.exact_match("type", type) && filters.name_match("name", entry.spec.name) &&
         filters.name_match("id", entry.spec.id.str()) && filters.match_labels(labels_of(entry.spec));
}

Task<std::vector<api::NetworkInspect>> NetworkService::list(api::Filters filters) {
  filters.validate({"dangling", "driver", "id", "label", "label!", "name", "scope", "type"});
  co_return networks_.read([&](const Table& table) {
    std::vector<api::NetworkInspect> networks;
    for (const auto& [name, id] : table.id_of_name) {
      const Entry& entry = table.by_id.find(id)->second;
      if (is_wanted(entry, filters)) networks.push_back(describe(entry));
    }
    return networks;
  });
}

Task<api::NetworkInspect> NetworkService::inspect(NetworkRef network) {
  co_return networks_.read([&](const Table& table) { return describe(require_network(table, network.text)); });
}

// ---- create, remove

std::vector<api::IPAMConfig> NetworkService::complete_ipam(const api::NetworkCreateRequest& request, std::vector<Subnet> taken) const {
  auto config = request.ipam && request.ipam->config ? *request.ipam->config : std::vector<api::IPAMConfig>();
  if (const std::string problem = check_ipam(config); !problem.empty()) throw Error::invalid_argument("{}", problem);
  const bool want_v4 = request.enable_ipv4.value_or(true);
  const bool want_v6 = request.enable_ipv6.value_or(false);
  std::erase_if(config, [&](const auto& item) { return !(Subnet::find(*item.subnet)->is_v6() ? want_v6 : want_v4); });
  std::vector<Subnet> used = networks_.read([](const Table& table) {
    std::vector<Subnet> all;
    for (const auto& [id, entry] : table.by_id) std::ranges::copy(entry.addresses.subnets(), std::back_inserter(all));
    return all;
  });
  bool has_v4 = false;
  bool has_v6 = false;
  for (const auto& item : config) {
    const Subnet subnet = *Subnet::find(*item.subnet);
    (subnet.is_v6() ? has_v6 : has_v4) = true;
    if (std::ranges::any_of(used, [&](const Subnet& other) { return other.overlaps(subnet); })) {
      throw Error::forbidden("invalid pool request: Pool overlaps with other one on this address space");
    }
    used.push_back(subnet);
  }
  std::ranges::copy(taken, std::back_inserter(used));  // what is given may lie there; the driver knows
  const auto add = [&](const std::string& subnet) { config.emplace_back().subnet = subnet; };
  if (want_v4 && !has_v4) add(choose_subnet(used).str());
  if (want_v6 && !has_v6) {
    const std::string digits = random_.hex64();
    add(Subnet::find(fmt::format("fd{}:{}:{}::/64", digits.substr(0, 2), digits.substr(2, 4), digits.substr(6, 4)))->str());
  }
  return config;
}

/// A subnet of our choice may be another program's by now: then the next one.
Task<NetworkService::Entry> NetworkService::create_in_driver(std::string driver, api::NetworkCreateRequest request) {
  for (int tries = 1;; ++tries) {
    api::NetworkCreateRequest complete = request;
    complete.ipam->config = complete_ipam(request, co_await taken_subnets());
    const std::size_t given = request.ipam->config ? request.ipam->config->size() : 0;
    const bool is_our_choice = complete.ipam->config->size() > given;
    Entry entry = make_entry(request.name, driver, std::move(complete));
    std::optional<Error> failure;
    try {
      co_await driver_.create(entry.spec);
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) co_return entry;
    if (failure->code() != ErrorCode::forbidden || !is_our_choice || tries == kMostSubnetTries) throw std::move(*failure);
  }
}

Task<api::NetworkCreateResponse> NetworkService::create(api::NetworkCreateRequest request) {
  if (is_blank(request.name)) throw Error::invalid_argument("invalid network name: name is empty");
  if (is_predefined_name(request.name)) throw Error::forbidden("operation is not permitted on predefined {} network ", request.name);
  const OperationLock::Guard turn = co_await changes_.acquire();
  if (networks_.read([&](const Table& table) { return table.id_of_name.contains(request.name); })) {
    throw Error::conflict("network with name {} already exists", request.name);
  }
  std::string driver = request.driver.value_or("");
  if (driver.empty() || driver == "default") driver = "bridge";
  refuse_unsupported(request, driver);
  if (!driver_.has_user_networks()) {
    throw Error::not_implemented(
        "this backend has no user-defined networks yet; use the networks bridge, host or none, or --network container:NAME");
  }
  auto& ipam = request.ipam ? *request.ipam : request.ipam.emplace();
  if (ipam.driver.value_or("").empty()) ipam.driver = "default";
  if (!ipam.options) ipam.options.emplace();
  Entry entry = co_await create_in_driver(std::move(driver), std::move(request));
  const NetworkSpec spec = entry.spec;
  std::exception_ptr failure;
  try {
    co_await save(entry);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await driver_.remove(spec);
    std::rethrow_exception(failure);
  }
  networks_.write([&](Table& table) {
    table.id_of_name[spec.name] = spec.id.str();
    table.by_id.emplace(spec.id.str(), std::move(entry));
  });
  publish("create", spec);
  api::NetworkCreateResponse response;
  response.id = spec.id.str();
  co_return response;
}

Task<void> NetworkService::remove(NetworkRef network) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  const std::string id = networks_.read([&](const Table& table) { return require_network(table, network.text).spec.id.str(); });
  co_await remove_network(id);
}

/// The caller holds changes_.
Task<void> NetworkService::remove_network(std::string id) {
  // Checked and taken out in one step, so that no container joins in between.
  Entry entry = networks_.write([&](Table& table) {
    Entry& found = table.by_id.find(id)->second;
    if (found.predefined) throw Error::forbidden("{} is a pre-defined network and cannot be removed", found.spec.name);
    std::string users;
    for (const auto& [container, member] : found.members) {
      users += fmt::format("{}name:\"{}\" id:\"{}\"", users.empty() ? "" : ", ", member.name.value_or(""), container.substr(0, 12));
    }
    if (!users.empty()) {
      throw Error::forbidden("error while removing network: network {} has active endpoints ({})", found.spec.name, users);
    }
    Entry taken = std::move(found);
    table.id_of_name.erase(taken.spec.name);
    table.by_id.erase(id);
    return taken;
  });
  const NetworkSpec spec = entry.spec;
  std::exception_ptr failure;
  try {
    co_await driver_.remove(spec);
    co_await store_.erase(StateKind::network, id);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    networks_.write([&](Table& table) {
      table.id_of_name[spec.name] = id;
      table.by_id.emplace(id, std::move(entry));
    });
    std::rethrow_exception(failure);
  }
  publish("destroy", spec);
}

Task<api::NetworkPruneResponse> NetworkService::prune(api::Filters filters) {
  filters.validate({"label", "label!", "until"});
  const auto until = find_until(filters, clock_.now());
  const OperationLock::Guard turn = co_await changes_.acquire();
  const auto unused = networks_.read([&](const Table& table) {
    std::vector<std::pair<std::string, std::string>> found;  // name, id
    for (const auto& [id, entry] : table.by_id) {
      const auto created = find_rfc3339(entry.created).value_or(kNever);
      if (entry.predefined || !entry.members.empty() || (until && created > *until) || !filters.match_labels(labels_of(entry.spec)))
        continue;
      found.emplace_back(entry.spec.name, id);
    }
    return found;
  });
  api::NetworkPruneResponse response;
  for (const auto& [name, id] : unused) {
    try {
      co_await remove_network(id);
      (response.networks_deleted ? *response.networks_deleted : response.networks_deleted.emplace()).push_back(name);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      log.warn("a network could not be pruned name={} error={}", name, error.what());
    }
  }
  events_.publish("network", "prune", "", {{"reclaimed", "0"}});
  co_return response;
}

void NetworkService::publish(std::string action, const NetworkSpec& network, const ContainerId* container) {
  EventAttributes attributes{{"name", network.name}, {"type", network.request.driver.value_or("")}};
  if (container != nullptr) attributes["container"] = container->str();
  events_.publish("network", std::move(action), network.id.str(), std::move(attributes));
}

}  // namespace sockerless
