#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct nl_sock;

namespace sockerless::local {

struct LinkFacts {
  int index = 0;
  std::string name;
  std::string mac;
  std::uint32_t group = 0;
  std::string kind;  ///< "bridge", "veth"; empty: hardware
};

struct BridgePlan {
  std::string name;
  std::string mac;
  std::uint32_t group = 0;  ///< says whose it is, from its first moment on
  std::uint32_t mtu = 0;    ///< 0: the kernel's choice
};

/// A pair of interfaces: one is a port of the bridge, the other one the container's.
struct VethPlan {
  std::string name;
  std::uint32_t group = 0;
  std::string bridge;
  std::string peer_name;
  std::string peer_mac;
  int peer_namespace = -1;  ///< open file of the container's network namespace
  std::uint32_t mtu = 0;
};

/// An address with its prefix, "172.17.0.2/16", and what is reached through which interface.
struct RouteFacts {
  std::string destination;  ///< "172.17.0.0/16"
  int index = 0;            ///< of the interface
};

/// A routing socket of the network namespace that the constructing thread is in; it stays there when the thread leaves it. Everything
/// blocks, for the microseconds that the kernel takes. One thread at a time. @errors with the kernel's words.
class Netlink {
 public:
  Netlink();

  std::vector<LinkFacts> links();
  std::optional<LinkFacts> find_link(const std::string& name);
  /// Every route of the main table but default ones.
  std::vector<RouteFacts> routes();

  void add_bridge(const BridgePlan& plan);
  /// The container's end is still down: it cannot be up before both are there.
  void add_veth(const VethPlan& plan);
  /// Nothing happens when there is none of that name.
  void remove_link(const std::string& name);
  void set_up(int index);
  /// @param address  with its prefix; it may be there already.
  void add_address(int index, const std::string& address);
  /// A frame may leave by the bridge's port that it came in by: a container that calls its own published port.
  void set_hairpin(int index);
  /// The bridge carries no frame between its ports that are isolated; the host and others are reached.
  void set_isolated(int index);
  void add_default_route(int index, const std::string& gateway);

 private:
  struct Closer {
    void operator()(nl_sock* socket) const;
  };
  std::unique_ptr<nl_sock, Closer> socket_;
};

/// Runs `work` on a thread of its own in the network namespace pinned at `path`; an exception of it comes back here.
/// @param make  the namespace is made, and pinned by a mount, when there is none. `work` gets an open file of the namespace.
void blocking_in_namespace(const std::string& path, bool make, const std::function<void(int)>& work);
/// Whether a network namespace is pinned at the path.
bool blocking_is_namespace(const std::string& path);
/// Lets go of it: without a process in it the kernel removes it with its interfaces. Nothing happens when there is none.
void blocking_remove_namespace(const std::string& path);

/// Writes one of /proc/sys/, of the calling thread's network namespace. @return whether it could be written.
bool blocking_set_sysctl(const std::string& name, const std::string& value);

}  // namespace sockerless::local
