#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

struct nft_ctx;

namespace sockerless::local {

/// What the packet filter has to know of a network.
struct FilteredNetwork {
  std::string bridge;
  std::vector<std::string> subnets{};
  bool internal = false;
  bool masquerade = true;
  bool icc = true;  ///< its containers may talk to each other
};

/// A port of the host that leads to a container.
struct Forwarding {
  std::string protocol;      ///< "tcp", "udp", "sctp"
  std::string host_address;  ///< "0.0.0.0" and "::": every one of the family
  std::uint16_t host_port = 0;
  std::string address;  ///< the container's, of the same family
  std::uint16_t port = 0;

  friend bool operator==(const Forwarding&, const Forwarding&) = default;
};

/// What the daemon's table holds.
struct FirewallPlan {
  std::map<std::string, FilteredNetwork> networks{};             ///< by network id
  std::map<std::string, std::vector<Forwarding>> forwardings{};  ///< by container id
};

/// The whole table as commands for nft: whatever was there of it is replaced, in one transaction.
/// @param group  the interface group that all of the daemon's interfaces are in.
std::string make_ruleset(const std::string& table, std::uint32_t group, const FirewallPlan& plan);
/// The commands that add (or delete) these forwardings.
std::string make_forwarding_commands(const std::string& table, std::string_view verb, const std::vector<Forwarding>& forwardings);

/// The daemon's own nftables table: publishing, masquerading, isolation. Other tables are never touched. Threads: any; everything blocks.
class Firewall {
 public:
  Firewall(std::string table, std::uint32_t group);
  ~Firewall();
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  void blocking_set_network(const std::string& id, FilteredNetwork network);
  void blocking_remove_network(const std::string& id);
  /// Replaces what the container publishes, in one transaction; empty: nothing any more.
  void blocking_publish(const std::string& container, std::vector<Forwarding> forwardings);
  /// Takes the whole plan and writes the table anew.
  void blocking_reset(FirewallPlan plan);
  /// Writes the table anew when it is not there: another program has flushed the rules. @return whether it was gone.
  bool blocking_repair();
  void blocking_remove_table();

 private:
  struct Closer {
    void operator()(nft_ctx* context) const;
  };
  void run(const std::string& commands);
  bool try_run(const std::string& commands, std::string* error);
  void write_all();

  const std::string table_;
  const std::uint32_t group_;
  std::mutex mutex_;  // guards all below
  std::unique_ptr<nft_ctx, Closer> context_;
  FirewallPlan plan_;
  bool written_ = false;
};

/// Hears of other programs' changes to nftables: readable when something has changed. -1 inside: the kernel does not tell.
UniqueFd open_firewall_events();
/// Reads what there is. @return whether a table of that name was deleted, or so much has happened that it may have been.
bool read_firewall_events(int events, const std::string& table);

}  // namespace sockerless::local
