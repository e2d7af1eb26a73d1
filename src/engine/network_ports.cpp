#include "engine/network_ports.hpp"

#include <charconv>
#include <optional>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::uint16_t kFirstEphemeral = 32768;
constexpr std::uint16_t kLastEphemeral = 60999;

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

std::uint16_t parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    throw Error::invalid_argument("invalid port specification: \"{}\"", text);
  return port;
}

/// "8080" or "8000-8010"; empty or "0": any.
PortRange parse_host_port(std::string_view text) {
  if (text.empty() || text == "0") return {};
  const std::size_t dash = text.find('-');
  const std::uint16_t first = parse_port(text.substr(0, dash));
  const std::uint16_t last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (last < first) throw Error::invalid_argument("invalid port specification: \"{}\"", text);
  return {first, last};
}

/// "80/tcp"; the protocol is tcp where it is not said.
struct ContainerPort {
  std::uint16_t port = 0;
  std::string protocol;

  static ContainerPort parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    return {parse_port(text.substr(0, slash)), slash == std::string_view::npos ? "tcp" : std::string(text.substr(slash + 1))};
  }
  std::string str() const { return fmt::format("{}/{}", port, protocol); }
};

/// What is bound, by container port: the exposed ports too, with nothing or (publish all) one binding that leaves the rest open.
std::map<std::string, std::vector<api::PortBinding>> wanted_bindings(const WorkloadSpec& spec) {
  std::map<std::string, std::vector<api::PortBinding>> wanted;
  const bool publish_all = spec.host_config.publish_all_ports.value_or(false);
  for (const auto& [port, nothing] : spec.config.exposed_ports.value_or(std::map<std::string, api::EmptyObject>())) {
    auto& bindings = wanted[ContainerPort::parse(port).str()];
    if (publish_all) bindings.emplace_back();
  }
  for (const auto& [port, bindings] : spec.host_config.port_bindings.value_or(api::PortMap())) {
    auto& list = wanted[ContainerPort::parse(port).str()];
    list = bindings.value_or(std::vector<api::PortBinding>());
    if (list.empty()) list.emplace_back();
  }
  return wanted;
}

api::PortSummary summary_of(const ContainerPort& port, const std::string& address, std::uint16_t host_port) {
  api::PortSummary summary;
  if (host_port != 0) {
    summary.ip = address;
    summary.public_port = host_port;
  }
  summary.private_port = port.port;
  summary.type = api::PortSummaryType(std::string_view(port.protocol));
  return summary;
}

}  // namespace

bool PortAllocator::is_free(const Table& table, const Key& key) {
  const bool v6 = key.address.contains(':');
  const auto conflicts = [&](const std::string& address) { return table.owner.contains({key.protocol, address, key.port}); };
  if (conflicts(key.address) || conflicts(v6 ? "::" : "0.0.0.0")) return false;
  if (key.address != "0.0.0.0" && key.address != "::") return true;
  // Every address of the family: nobody may have any of them.
  for (const auto& [taken, owner] : table.owner) {
    if (taken.port == key.port && taken.protocol == key.protocol && taken.address.contains(':') == v6) return false;
  }
  return true;
}

std::optional<std::uint16_t> PortAllocator::find_port(Table& table, const std::string& protocol, const std::vector<std::string>& addresses,
                                                      std::uint16_t first, std::uint16_t last, const IsBindable& is_bindable) {
  const bool any = first == 0;
  if (any) {
    first = kFirstEphemeral;
    last = kLastEphemeral;
  }
  const std::uint32_t count = static_cast<std::uint32_t>(last) - first + 1;
  const std::uint32_t start = any ? static_cast<std::uint32_t>(table.next_ephemeral - first) : 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
    bool free = true;
    for (const auto& address : addresses) {
      free = free && is_free(table, {protocol, address, port}) && (count == 1 || !is_bindable || is_bindable(protocol, address, port));
    }
    if (!free) continue;
    if (any) table.next_ephemeral = port == kLastEphemeral ? kFirstEphemeral : static_cast<std::uint16_t>(port + 1);
    return port;
  }
  return std::nullopt;
}

PublishedPorts PortAllocator::take(const WorkloadSpec& spec, const std::string& endpoint_id, const IsBindable& is_bindable) {
  const auto wanted = wanted_bindings(spec);
  const std::string owner = spec.id.str();
  return table_.write([&](Table& table) {
    PublishedPorts published;
    std::vector<Key> taken;
    try {
      for (const auto& [name, bindings] : wanted) {
        const ContainerPort port = ContainerPort::parse(name);
        auto& shown = published.map[name];
        if (bindings.empty()) published.ports.push_back(summary_of(port, {}, 0));
        for (const auto& binding : bindings) {
          const std::string given = binding.host_ip.value_or("");
          const auto addresses = given.empty() ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector<std::string>{given};
          const auto [first, last] = parse_host_port(binding.host_port.value_or(""));
          const auto host_port = find_port(table, port.protocol, addresses, first, last, is_bindable);
          if (!host_port) {
            throw Error::internal(
                "driver failed programming external connectivity on endpoint {}{}: Bind for {}:{} failed: port is already allocated",
                spec.name, endpoint_id.empty() ? "" : " (" + endpoint_id + ")", addresses.front(), first);
          }
          for (const auto& address : addresses) {
            taken.push_back({port.protocol, address, *host_port});
            table.owner.emplace(taken.back(), owner);
            api::PortBinding bound;
            bound.host_ip = address;
            bound.host_port = std::to_string(*host_port);
            if (!shown) shown.emplace();
            shown->push_back(std::move(bound));
            published.ports.push_back(summary_of(port, address, *host_port));
          }
        }
      }
    } catch (...) {
      for (const auto& key : taken) table.owner.erase(key);
      throw;
    }
    return published;
  });
}

void PortAllocator::retake(const ContainerId& container, const std::vector<api::PortSummary>& ports) {
  table_.write([&](Table& table) {
    for (const auto& port : ports) {
      if (port.public_port)
        table.owner.emplace(Key{std::string(port.type.str()), port.ip.value_or("0.0.0.0"), *port.public_port}, container.str());
    }
  });
}

void PortAllocator::give_back(const ContainerId& container) {
  table_.write([&](Table& table) { std::erase_if(table.owner, [&](const auto& item) { return item.second == container.str(); }); });
}

PublishedPorts unpublished_ports(const WorkloadSpec& spec) {
  PublishedPorts ports;
  for (const auto& [name, bindings] : wanted_bindings(spec)) {
    ports.map[name];
    ports.ports.push_back(summary_of(ContainerPort::parse(name), {}, 0));
  }
  return ports;
}

}  // namespace sockerless
