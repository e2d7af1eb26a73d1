// The daemon's start and end: what is on the host meets what the engine knows.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "backends/local/network/host_networks.hpp"
#include "backends/local/network/netlink.hpp"
#include "backends/local/network/network_plan.hpp"
#include "backends/local/network/port_reservation.hpp"
#include "backends/local/runtime_selection.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/ipam.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

Logger log("local");

/// What cannot be removed stays, and is no reason to leave the rest.
template <typename Remove>
void try_to_remove(const std::string& name, Remove remove) {
  try {
    remove();
  } catch (...) {
    log.warn("what nobody knows cannot be removed name={} error={}", name, current_error().what());
  }
}

}  // namespace

std::vector<std::string> HostNetworks::blocking_taken_subnets() {
  std::vector<std::string> taken;
  for (const auto& route : Netlink().routes()) {
    if (route.destination.contains('/') && !route.destination.starts_with("fe80:")) taken.push_back(route.destination);
  }
  return taken;
}

void HostNetworks::restore_member(const NetworkMember& member) {
  Container container;
  describe(container, member.workload);
  container.ports = member.ports;
  for (const auto& [name, settings] : member.endpoints) {
    const std::string network = settings.network_id.value_or("");
    if (tables_.networks.contains(network) && !settings.endpoint_id.value_or("").empty())
      container.endpoints.push_back({network, settings});
  }
  for (const auto& port : member.ports) {
    if (!port.public_port) continue;
    auto reservation = reserve_port(std::string(port.type.str()), port.ip.value_or("0.0.0.0"), *port.public_port);
    if (reservation.socket) container.reserved.push_back(std::move(reservation.socket));
  }
  tables_.containers.insert_or_assign(member.workload.id.str(), std::move(container));
}

/// Interfaces and namespaces of ours that nobody knows.
void HostNetworks::remove_strangers() {
  std::set<std::string> known;
  for (const auto& [id, network] : tables_.networks) known.insert(bridge_name(network));
  for (const auto& [id, container] : tables_.containers) {
    for (const auto& endpoint : container.endpoints) known.insert(interface_name(id, endpoint.network));
  }
  Netlink host;
  for (const auto& link : host.links()) {
    if (link.group != group_ || known.contains(link.name)) continue;
    log.info("removing an interface that nobody knows name={}", link.name);
    try_to_remove(link.name, [&] { host.remove_link(link.name); });
  }
  std::error_code error;
  std::vector<fs::path> strange;
  for (const auto& file : fs::directory_iterator(base_ + "/netns", error)) {
    if (!tables_.containers.contains(file.path().filename())) strange.push_back(file.path());
  }
  for (const auto& path : strange) try_to_remove(path, [&] { blocking_remove_namespace(path); });
}

/// Daemons whose state directory is gone will not come back to clean up.
void HostNetworks::remove_orphans() const {
  std::error_code error;
  std::vector<std::string> gone;
  for (const auto& folder : fs::directory_iterator("/run/sockerless", error)) {
    std::ifstream file(folder.path() / "state");
    std::string state;
    if (std::getline(file, state) && state != state_ && !state.empty() && !fs::exists(state, error) &&
        runtime_folder(state) == folder.path())
      gone.push_back(state);
  }
  for (const auto& state : gone) {
    try {
      log.info("removing the networks of a daemon that is gone state={}", state);
      HostNetworks(state).remove_all();
    } catch (...) {
      log.warn("the networks of a daemon that is gone are not removed state={} error={}", state, current_error().what());
    }
  }
}

void HostNetworks::blocking_restore(const std::vector<NetworkSpec>& networks, const std::vector<NetworkMember>& members) {
  remove_orphans();
  FirewallPlan plan;
  const std::scoped_lock order(names_order_);
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& network : networks) {
      if (!subnets_of(network).empty()) tables_.networks.insert_or_assign(network.id.str(), network);
    }
    for (const auto& member : members) restore_member(member);
    remove_strangers();
    Netlink host;
    for (const auto& [id, network] : tables_.networks) {
      try {
        ensure_bridge(host, network);
      } catch (...) {
        log.warn("a network cannot be made again name={} error={}", network.name, current_error().what());
      }
      plan.networks.emplace(id, plan_filter(network));
    }
  }
  for (const auto& member : members) {
    auto forwardings = forwardings_of(member.workload.id.str());
    if (!forwardings.empty()) plan.forwardings.emplace(member.workload.id.str(), std::move(forwardings));
  }
  if (!plan.networks.empty()) firewall_.blocking_reset(std::move(plan));
  restore_names();
}

void HostNetworks::restore_names() {
  std::set<std::string> named;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, container] : tables_.containers) {
      for (const auto& endpoint : container.endpoints) {
        if (!is_default_bridge(tables_.networks.at(endpoint.network))) named.insert(endpoint.network);
      }
    }
  }
  names_.blocking_keep_only({named.begin(), named.end()});
  for (const auto& network : named) write_names(network);
}

void HostNetworks::remove_all() {
  {
    const std::scoped_lock lock(mutex_);
    tables_ = {};
    remove_strangers();
  }
  names_.blocking_stop();
  firewall_.blocking_remove_table();
  std::error_code error;
  for (const char* name : {"/netns", "/state"}) fs::remove(base_ + name, error);
  fs::remove(base_, error);
}

void HostNetworks::blocking_stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (!tables_.containers.empty()) return;
  }
  remove_all();
}

void HostNetworks::blocking_repair() {
  if (firewall_.blocking_repair()) log.info("another program had flushed the rules; they are there again table={}", table_);
}

}  // namespace sockerless::local
