#include "backends/local/network/firewall.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace {

Logger log("local");

bool is_v6(std::string_view address) { return address.contains(':'); }

std::string element_of(const Forwarding& one) {
  const bool any = one.host_address == "0.0.0.0" || one.host_address == "::";
  return fmt::format("{}{} . {} : {} . {}", any ? "" : one.host_address + " . ", one.protocol, one.host_port, one.address, one.port);
}

std::string map_of(const Forwarding& one) {
  const bool any = one.host_address == "0.0.0.0" || one.host_address == "::";
  return fmt::format("published{}{}", is_v6(one.address) ? "6" : "4", any ? "_any" : "");
}

/// Packets that come from the network or go to it, before the rules that hold for all.
std::string forward_rules(const FilteredNetwork& network) {
  std::string text;
  // Where its containers may not talk, the bridge's isolated ports see to it, and what the host would route falls to the last rule.
  if (network.icc) text += fmt::format("    iifname \"{0}\" oifname \"{0}\" accept\n", network.bridge);
  if (network.internal) text += fmt::format("    iifname \"{0}\" drop\n    oifname \"{0}\" drop\n", network.bridge);
  return text;
}

/// The name server knows containers by the addresses they were given, and forwards what anybody else asks.
std::string guard_rules(const FilteredNetwork& network) {
  if (!network.internal) return {};
  return fmt::format("    iifname \"{}\" ip6 saddr fe80::/10 meta l4proto {{ tcp, udp }} th dport 53 drop\n", network.bridge);
}

std::string masquerade_rules(const FilteredNetwork& network) {
  std::string text;
  for (const auto& subnet : network.subnets) {
    const char* family = is_v6(subnet) ? "ip6" : "ip";
    // A container that calls a published port of its own network has to be answered by way of the host.
    text += fmt::format("    {0} saddr {1} {0} daddr {1} ct status dnat masquerade\n", family, subnet);
    if (network.masquerade && !network.internal)
      text += fmt::format("    {} saddr {} oifname != \"{}\" masquerade\n", family, subnet, network.bridge);
  }
  return text;
}

constexpr std::string_view kMaps = R"(  map published4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map published4_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6_any { type inet_proto . inet_service : ipv6_addr . inet_service; }
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @published4
    dnat ip to meta l4proto . th dport map @published4_any
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6
    dnat ip6 to meta l4proto . th dport map @published6_any
  }
  chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump publish; }
  chain output { type nat hook output priority -100; fib daddr type local jump publish; }
)";

}  // namespace

std::string make_ruleset(const std::string& table, std::uint32_t group, const FirewallPlan& plan) {
  std::string text = fmt::format("table inet {0}\ndelete table inet {0}\ntable inet {0} {{\n{1}", table, kMaps);
  // Bridges route 127.0.0.0/8 for the sake of published ports: containers must not reach the host's loopback by it.
  text +=
      fmt::format("  chain guard {{\n    type filter hook prerouting priority raw;\n    iifgroup {} ip daddr 127.0.0.0/8 drop\n", group);
  for (const auto& [id, network] : plan.networks) text += guard_rules(network);
  text += "  }\n";
  text += fmt::format(
      "  chain postrouting {{\n    type nat hook postrouting priority srcnat;\n"
      "    oifgroup {} ip saddr 127.0.0.0/8 ct status dnat masquerade\n",
      group);
  for (const auto& [id, network] : plan.networks) text += masquerade_rules(network);
  text += fmt::format(
      "  }}\n  chain forward {{\n    type filter hook forward priority filter;\n    iifgroup != {0} oifgroup != {0} accept\n"
      "    ct state established,related accept\n",
      group);
  for (const auto& [id, network] : plan.networks) text += forward_rules(network);
  text += fmt::format("    oifgroup {0} ct status dnat accept\n    oifgroup {0} drop\n  }}\n}}\n", group);
  for (const auto& [id, forwardings] : plan.forwardings) text += make_forwarding_commands(table, "add", forwardings);
  return text;
}

std::string make_forwarding_commands(const std::string& table, std::string_view verb, const std::vector<Forwarding>& forwardings) {
  std::string text;
  for (const auto& one : forwardings) text += fmt::format("{} element inet {} {} {{ {} }}\n", verb, table, map_of(one), element_of(one));
  return text;
}

// ---- the table

void Firewall::Closer::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Firewall::Firewall(std::string table, std::uint32_t group) : table_(std::move(table)), group_(group) {}
Firewall::~Firewall() = default;

bool Firewall::try_run(const std::string& commands, std::string* error) {
  if (!context_) {
    context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!context_) throw Error::internal("nftables cannot be used");
    nft_ctx_buffer_output(context_.get());
    nft_ctx_buffer_error(context_.get());
  }
  const int result = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  nft_ctx_get_output_buffer(context_.get());  // both are emptied by reading
  const char* words = nft_ctx_get_error_buffer(context_.get());
  if (error != nullptr && words != nullptr) *error = words;
  return result == 0;
}

void Firewall::run(const std::string& commands) {
  std::string error;
  if (!try_run(commands, &error)) throw Error::internal("nftables refused the rules: {}", error.substr(0, error.find('\n')));
}

void Firewall::write_all() {
  run(make_ruleset(table_, group_, plan_));
  written_ = true;
}

void Firewall::blocking_set_network(const std::string& id, FilteredNetwork network) {
  const std::scoped_lock lock(mutex_);
  std::optional<FilteredNetwork> before;
  if (const auto it = plan_.networks.find(id); it != plan_.networks.end()) before = it->second;
  plan_.networks.insert_or_assign(id, std::move(network));
  try {
    write_all();
  } catch (...) {
    if (before) {
      plan_.networks.insert_or_assign(id, std::move(*before));
    } else {
      plan_.networks.erase(id);
    }
    throw;
  }
}

void Firewall::blocking_remove_network(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  if (plan_.networks.erase(id) > 0) write_all();
}

void Firewall::blocking_publish(const std::string& container, std::vector<Forwarding> forwardings) {
  const std::scoped_lock lock(mutex_);
  const auto it = plan_.forwardings.find(container);
  const std::vector<Forwarding> before = it == plan_.forwardings.end() ? std::vector<Forwarding>() : it->second;
  if (before == forwardings) return;
  const std::string commands = make_forwarding_commands(table_, "delete", before) + make_forwarding_commands(table_, "add", forwardings);
  const bool withdrawn = forwardings.empty();
  if (withdrawn) {
    plan_.forwardings.erase(container);
  } else {
    plan_.forwardings.insert_or_assign(container, std::move(forwardings));
  }
  if (written_ && try_run(commands, nullptr)) return;
  // Somebody has changed the table: what it should hold is known.
  try {
    write_all();
  } catch (...) {
    if (!withdrawn) plan_.forwardings.erase(container);
    throw;
  }
}

void Firewall::blocking_reset(FirewallPlan plan) {
  const std::scoped_lock lock(mutex_);
  plan_ = std::move(plan);
  write_all();
}

bool Firewall::blocking_repair() {
  const std::scoped_lock lock(mutex_);
  if (!written_ || try_run(fmt::format("list chain inet {} publish", table_), nullptr)) return false;
  write_all();
  return true;
}

void Firewall::blocking_remove_table() {
  const std::scoped_lock lock(mutex_);
  written_ = false;
  plan_ = {};
  run(fmt::format("table inet {0}\ndelete table inet {0}\n", table_));
}

// ---- what other programs do

UniqueFd open_firewall_events() {
  UniqueFd events(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!events) return {};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (::bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(events.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    log.warn("changes of nftables by other programs are not heard of error={}", errno);
    return {};
  }
  return events;
}

bool read_firewall_events(int events, const std::string& table) {
  alignas(nlmsghdr) std::array<char, 65536> buffer{};
  const std::string name = table + '\0';
  bool deleted = false;
  for (;;) {
    const ssize_t count = ::recv(events, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == ENOBUFS) {
      deleted = true;  // messages were lost
      continue;
    }
    if (count <= 0) return deleted;
    std::size_t at = 0;
    while (at + sizeof(nlmsghdr) <= static_cast<std::size_t>(count)) {
      nlmsghdr head{};
      std::memcpy(&head, buffer.data() + at, sizeof head);
      if (head.nlmsg_len < sizeof head || at + head.nlmsg_len > static_cast<std::size_t>(count)) break;
      if (head.nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE)) {
        deleted = deleted || std::string_view(buffer.data() + at, head.nlmsg_len).contains(name);
      }
      at += NLMSG_ALIGN(head.nlmsg_len);
    }
  }
}

}  // namespace sockerless::local
