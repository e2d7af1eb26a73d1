#include "backends/local/network/network_plan.hpp"

#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kInterfaceNameSize = 15;
constexpr std::uint32_t kDefaultMtu = 1500;

bool is_off(const std::string& text) { return text == "false" || text == "0" || text == "f" || text == "F" || text == "FALSE"; }

std::vector<api::IPAMConfig> configs_of(const NetworkSpec& network) {
  const auto& ipam = network.request.ipam;
  return ipam && ipam->config ? *ipam->config : std::vector<api::IPAMConfig>();
}

}  // namespace

std::string option_of(const NetworkSpec& network, const std::string& name) {
  if (!network.request.options) return {};
  const auto it = network.request.options->find(name);
  return it == network.request.options->end() ? std::string() : it->second;
}

bool is_default_bridge(const NetworkSpec& network) { return option_of(network, "com.docker.network.bridge.default_bridge") == "true"; }

std::string bridge_name(const NetworkSpec& network) {
  const std::string wanted = option_of(network, "com.docker.network.bridge.name");
  if (wanted.empty()) return "br-" + network.id.str().substr(0, 12);
  const bool fits = wanted.size() <= kInterfaceNameSize && wanted != "." && wanted != ".." &&
                    wanted.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string::npos;
  if (!fits) throw Error::invalid_argument("invalid bridge name: {}", wanted);
  return wanted;
}

std::vector<std::string> gateway_addresses(const NetworkSpec& network) {
  std::vector<std::string> addresses;
  for (const auto& config : configs_of(network)) {
    const std::string subnet = config.subnet.value_or("");
    if (config.gateway && !config.gateway->empty()) addresses.push_back(*config.gateway + subnet.substr(subnet.find('/')));
  }
  return addresses;
}

std::vector<std::string> subnets_of(const NetworkSpec& network) {
  std::vector<std::string> subnets;
  for (const auto& config : configs_of(network)) subnets.push_back(config.subnet.value_or(""));
  return subnets;
}

bool is_internal(const NetworkSpec& network) { return network.request.internal.value_or(false); }
bool has_ipv6(const NetworkSpec& network) { return network.request.enable_ipv6.value_or(false); }

std::uint32_t mtu_of(const NetworkSpec& network) {
  const std::string text = option_of(network, "com.docker.network.driver.mtu");
  std::uint32_t mtu = kDefaultMtu;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mtu);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size()))
    throw Error::invalid_argument("failed to parse com.docker.network.driver.mtu value: {}", text);
  return mtu;
}

BridgePlan plan_bridge(const NetworkSpec& network, std::uint32_t group) {
  const std::string id = network.id.str();
  return {bridge_name(network), fmt::format("02:42:{}:{}:{}:{}", id.substr(0, 2), id.substr(2, 2), id.substr(4, 2), id.substr(6, 2)), group,
          mtu_of(network)};
}

FilteredNetwork plan_filter(const NetworkSpec& network) {
  return {.bridge = bridge_name(network),
          .subnets = subnets_of(network),
          .internal = is_internal(network),
          .masquerade = !is_off(option_of(network, "com.docker.network.bridge.enable_ip_masquerade")),
          .icc = !is_off(option_of(network, "com.docker.network.bridge.enable_icc"))};
}

}  // namespace sockerless::local
