#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/local/network/firewall.hpp"
#include "backends/local/network/netlink.hpp"
#include "engine/drivers.hpp"

// What follows from a network's definition; pure functions.

namespace sockerless::local {

bool is_default_bridge(const NetworkSpec& network);
std::string bridge_name(const NetworkSpec& network);
/// The host's addresses on it, with their prefixes.
std::vector<std::string> gateway_addresses(const NetworkSpec& network);
std::vector<std::string> subnets_of(const NetworkSpec& network);
bool is_internal(const NetworkSpec& network);
bool has_ipv6(const NetworkSpec& network);
std::uint32_t mtu_of(const NetworkSpec& network);
/// A driver option of the network; empty: not given.
std::string option_of(const NetworkSpec& network, const std::string& name);
BridgePlan plan_bridge(const NetworkSpec& network, std::uint32_t group);
FilteredNetwork plan_filter(const NetworkSpec& network);

}  // namespace sockerless::local
