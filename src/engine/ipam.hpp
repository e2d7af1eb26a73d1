#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"

// Addresses of networks: which subnets they have, and who has which address. Plain classes, no lock, no I/O.

namespace sockerless {

__extension__ using Uint128 = unsigned __int128;

/// An IPv4 or IPv6 address, as a number.
class IpAddress {
 public:
  static std::optional<IpAddress> find(std::string_view text);
  static IpAddress v4(std::uint32_t value) { return {false, value}; }

  bool is_v6() const { return v6_; }
  std::string str() const;
  Uint128 value() const { return value_; }
  IpAddress plus(Uint128 distance) const { return {v6_, value_ + distance}; }

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend bool operator<(const IpAddress& a, const IpAddress& b) { return a.v6_ != b.v6_ ? b.v6_ : a.value_ < b.value_; }

 private:
  friend class Subnet;
  IpAddress(bool v6, Uint128 value) : v6_(v6), value_(value) {}
  bool v6_ = false;
  Uint128 value_ = 0;
};

/// A subnet: "172.17.0.0/16". Host bits are cut off.
class Subnet {
 public:
  static std::optional<Subnet> find(std::string_view text);
  Subnet(IpAddress address, int prefix);

  const IpAddress& first() const { return first_; }
  IpAddress last() const;
  int prefix() const { return prefix_; }
  bool is_v6() const { return first_.is_v6(); }
  bool contains(const IpAddress& address) const;
  bool overlaps(const Subnet& other) const;
  std::string str() const;

 private:
  IpAddress first_;
  int prefix_ = 0;
};

/// What is wrong with a client's IPAM, in dockerd's words; empty: nothing.
std::string check_ipam(const std::vector<api::IPAMConfig>& config);

/// The first of Docker's default pools (172.17.0.0/16 to 172.31.0.0/16, then /20s of 192.168.0.0/16) that overlaps none of `used`.
/// @errors invalid_argument "all predefined address pools have been fully subnetted".
Subnet choose_subnet(const std::vector<Subnet>& used);

/// The addresses of one network: one pool a subnet.
class AddressPools {
 public:
  AddressPools() = default;
  /// @param config  checked. A subnet without a gateway gets its first free address as one.
  /// @errors forbidden: a gateway that is the subnet's own address or an auxiliary one.
  explicit AddressPools(const std::vector<api::IPAMConfig>& config);

  struct Address {
    std::string address;
    int prefix = 0;
    std::string gateway;
  };
  bool has(bool v6) const;
  std::vector<Subnet> subnets() const;
  std::string gateway_of(const Subnet& subnet) const;
  /// The lowest free address. @errors unavailable "no available IPv4 addresses on this network's address pools".
  Address take(bool v6);
  /// @errors invalid_argument: not in a subnet of this network; forbidden "Address already in use".
  Address take(const IpAddress& wanted);
  void give_back(std::string_view address);

 private:
  struct Pool {
    Subnet subnet;
    Subnet range;  // what take(v6) gives from
    std::string gateway;
    std::set<IpAddress> taken;
    IpAddress lowest;  // no free address in the range is below this
  };
  std::vector<Pool> pools_;
};

}  // namespace sockerless
