#include "engine/ipam.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

int width_of(bool v6) { return v6 ? 128 : 32; }

Uint128 host_mask(bool v6, int prefix) {
  const int bits = width_of(v6) - prefix;
  return bits >= 128 ? ~Uint128{0} : (Uint128{1} << bits) - 1;
}

std::optional<int> find_prefix(std::string_view text, bool v6) {
  int prefix = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || prefix < 0 || prefix > width_of(v6)) return std::nullopt;
  return prefix;
}

const char* family_name(const Subnet& subnet) { return subnet.is_v6() ? "IPv6" : "IPv4"; }

/// What is wrong with an address that must lie in the subnet; empty: nothing.
std::string check_address(const std::string& text, const Subnet& subnet) {
  const auto address = IpAddress::find(text);
  if (!address) return "invalid address";
  if (address->is_v6() != subnet.is_v6()) return fmt::format("parent subnet is an {} block", family_name(subnet));
  if (!subnet.contains(*address)) return fmt::format("parent subnet {} doesn't contain this address", subnet.str());
  return {};
}

std::string check_range(const std::string& text, const Subnet& subnet) {
  const auto range = Subnet::find(text);
  if (!range) return "invalid CIDR block notation";
  if (range->is_v6() != subnet.is_v6()) return fmt::format("parent subnet is an {} block", family_name(subnet));
  if (range->prefix() < subnet.prefix()) return fmt::format("CIDR block is bigger than its parent subnet {}", subnet.str());
  if (range->str() != text) return "it should be " + range->str();
  if (!subnet.overlaps(*range)) return fmt::format("parent subnet {} doesn't contain ip-range", subnet.str());
  return {};
}

}  // namespace

std::optional<IpAddress> IpAddress::find(std::string_view text) {
  const std::string terminated(text);
  in6_addr raw{};
  const bool v6 = text.contains(':');
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, terminated.c_str(), &raw) != 1) return std::nullopt;
  Uint128 value = 0;
  for (int i = 0; i < width_of(v6) / 8; ++i) value = (value << 8) | reinterpret_cast<const unsigned char*>(&raw)[i];
  return IpAddress(v6, value);
}

std::string IpAddress::str() const {
  unsigned char raw[16];
  const int count = width_of(v6_) / 8;
  for (int i = 0; i < count; ++i) raw[i] = static_cast<unsigned char>(value_ >> (8 * (count - 1 - i)));
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(v6_ ? AF_INET6 : AF_INET, raw, text, sizeof text);
}

std::optional<Subnet> Subnet::find(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::find(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto prefix = find_prefix(text.substr(slash + 1), address->is_v6());
  if (!prefix) return std::nullopt;
  return Subnet(*address, *prefix);
}

Subnet::Subnet(IpAddress address, int prefix) : first_(address.v6_, address.value_ & ~host_mask(address.v6_, prefix)), prefix_(prefix) {}

IpAddress Subnet::last() const { return {first_.v6_, first_.value_ | host_mask(first_.v6_, prefix_)}; }
bool Subnet::contains(const IpAddress& address) const {
  return address.v6_ == first_.v6_ && (address.value_ & ~host_mask(first_.v6_, prefix_)) == first_.value_;
}
bool Subnet::overlaps(const Subnet& other) const { return contains(other.first_) || other.contains(first_); }
std::string Subnet::str() const { return fmt::format("{}/{}", first_.str(), prefix_); }

std::string check_ipam(const std::vector<api::IPAMConfig>& config) {
  std::string problems;
  const auto add = [&](const std::string& what, const std::string& problem) {
    if (!problem.empty()) problems += fmt::format("\ninvalid {}: {}", what, problem);
  };
  for (const auto& item : config) {
    const std::string text = item.subnet.value_or("");
    const auto subnet = Subnet::find(text);
    if (!subnet) {
      add("subnet " + text, "invalid CIDR block notation");
      continue;
    }
    // An IPv6 address may be written in several ways: only other host bits are wrong.
    if (*IpAddress::find(text.substr(0, text.find('/'))) != subnet->first()) add("subnet " + text, "it should be " + subnet->str());
    if (!item.ip_range.value_or("").empty()) add("ip-range " + *item.ip_range, check_range(*item.ip_range, *subnet));
    if (!item.gateway.value_or("").empty()) add("gateway " + *item.gateway, check_address(*item.gateway, *subnet));
    for (const auto& [name, address] : item.auxiliary_addresses.value_or(std::map<std::string, std::string>())) {
      add("auxiliary address " + name, check_address(address, *subnet));
    }
  }
  return problems.empty() ? problems : "invalid network config:" + problems;
}

Subnet choose_subnet(const std::vector<Subnet>& used) {
  const auto is_free = [&](const Subnet& subnet) {
    return std::ranges::none_of(used, [&](const Subnet& other) { return other.overlaps(subnet); });
  };
  for (std::uint32_t second = 17; second <= 31; ++second) {
    const Subnet subnet(IpAddress::v4((172U << 24) | (second << 16)), 16);
    if (is_free(subnet)) return subnet;
  }
  for (std::uint32_t third = 0; third < 256; third += 16) {
    const Subnet subnet(IpAddress::v4((192U << 24) | (168U << 16) | (third << 8)), 20);
    if (is_free(subnet)) return subnet;
  }
  throw Error::invalid_argument("all predefined address pools have been fully subnetted");
}

AddressPools::AddressPools(const std::vector<api::IPAMConfig>& config) {
  for (const auto& item : config) {
    const Subnet subnet = *Subnet::find(item.subnet.value_or(""));
    const std::string range = item.ip_range.value_or("");
    Pool pool{.subnet = subnet,
              .range = range.empty() ? subnet : *Subnet::find(range),
              .gateway = {},
              .taken = {subnet.first()},
              .lowest = subnet.first()};
    pool.lowest = pool.range.first();
    if (!subnet.is_v6()) pool.taken.insert(subnet.last());
    for (const auto& [name, address] : item.auxiliary_addresses.value_or(std::map<std::string, std::string>())) {
      pool.taken.insert(*IpAddress::find(address));
    }
    IpAddress gateway = subnet.first().plus(1);
    if (const std::string wanted = item.gateway.value_or(""); !wanted.empty()) {
      gateway = *IpAddress::find(wanted);
      if (pool.taken.contains(gateway)) throw Error::forbidden("failed to allocate gateway ({}): Address already in use", wanted);
    } else {
      while (pool.taken.contains(gateway) && subnet.contains(gateway)) gateway = gateway.plus(1);
    }
    pool.taken.insert(gateway);
    pool.gateway = gateway.str();
    pools_.push_back(std::move(pool));
  }
}

bool AddressPools::has(bool v6) const {
  return std::ranges::any_of(pools_, [&](const Pool& pool) { return pool.subnet.is_v6() == v6; });
}

std::vector<Subnet> AddressPools::subnets() const {
  std::vector<Subnet> all;
  for (const Pool& pool : pools_) all.push_back(pool.subnet);
  return all;
}

std::string AddressPools::gateway_of(const Subnet& subnet) const {
  const auto it = std::ranges::find_if(pools_, [&](const Pool& pool) { return pool.subnet.str() == subnet.str(); });
  return it == pools_.end() ? std::string() : it->gateway;
}

AddressPools::Address AddressPools::take(bool v6) {
  for (Pool& pool : pools_) {
    if (pool.subnet.is_v6() != v6) continue;
    IpAddress address = pool.lowest;
    while (pool.range.contains(address) && pool.taken.contains(address)) address = address.plus(1);
    pool.lowest = address;
    if (!pool.range.contains(address)) continue;
    pool.taken.insert(address);
    return {address.str(), pool.subnet.prefix(), pool.gateway};
  }
  throw Error::unavailable("no available {} addresses on this network's address pools", v6 ? "IPv6" : "IPv4");
}

AddressPools::Address AddressPools::take(const IpAddress& wanted) {
  for (Pool& pool : pools_) {
    if (!pool.subnet.contains(wanted)) continue;
    if (!pool.taken.insert(wanted).second) throw Error::forbidden("Address already in use");
    return {wanted.str(), pool.subnet.prefix(), pool.gateway};
  }
  throw Error::invalid_argument("no configured subnet or ip-range contain the IP address {}", wanted.str());
}

void AddressPools::give_back(std::string_view text) {
  const auto address = IpAddress::find(text);
  if (!address) return;
  for (Pool& pool : pools_) {
    if (pool.taken.erase(*address) > 0 && pool.range.contains(*address) && *address < pool.lowest) pool.lowest = *address;
  }
}

}  // namespace sockerless
