#include "backends/local/network/netlink.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

// libnl's headers come from C.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#pragma clang diagnostic pop

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace {

constexpr int kLoopbackIndex = 1;

void check(int result, std::string_view doing) {
  if (result < 0) throw Error::internal("cannot {}: {}", doing, nl_geterror(result));
}

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Link = std::unique_ptr<rtnl_link, Freer<rtnl_link_put>>;
using Addr = std::unique_ptr<nl_addr, Freer<nl_addr_put>>;
using Cache = std::unique_ptr<nl_cache, Freer<nl_cache_free>>;
using InterfaceAddress = std::unique_ptr<rtnl_addr, Freer<rtnl_addr_put>>;
using Message = std::unique_ptr<nl_msg, Freer<nlmsg_free>>;
using Route = std::unique_ptr<rtnl_route, Freer<rtnl_route_put>>;

Addr parse_address(const std::string& text, int family) {
  nl_addr* address = nullptr;
  check(nl_addr_parse(text.c_str(), family, &address), "read the address " + text);
  return Addr(address);
}

int family_of(const std::string& address) { return address.contains(':') ? AF_INET6 : AF_INET; }

std::string text_of(nl_addr* address) {
  if (address == nullptr) return {};
  std::array<char, 128> text{};
  return nl_addr2str(address, text.data(), text.size());
}

LinkFacts facts_of(rtnl_link* link) {
  LinkFacts facts;
  facts.index = rtnl_link_get_ifindex(link);
  facts.name = rtnl_link_get_name(link) == nullptr ? "" : rtnl_link_get_name(link);
  facts.mac = text_of(rtnl_link_get_addr(link));
  facts.group = rtnl_link_get_group(link);
  facts.kind = rtnl_link_get_type(link) == nullptr ? "" : rtnl_link_get_type(link);
  return facts;
}

}  // namespace

void Netlink::Closer::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Netlink::Netlink() : socket_(nl_socket_alloc()) {
  if (!socket_) throw Error::internal("no memory for a netlink socket");
  check(nl_connect(socket_.get(), NETLINK_ROUTE), "open a netlink socket");
}

std::vector<LinkFacts> Netlink::links() {
  nl_cache* raw = nullptr;
  check(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw), "list the interfaces");
  const Cache cache(raw);
  std::vector<LinkFacts> found;
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    found.push_back(facts_of(reinterpret_cast<rtnl_link*>(object)));
  }
  return found;
}

std::optional<LinkFacts> Netlink::find_link(const std::string& name) {
  rtnl_link* raw = nullptr;
  const int result = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &raw);
  if (result == -NLE_NODEV || result == -NLE_OBJ_NOTFOUND) return std::nullopt;
  check(result, "look up the interface " + name);
  const Link link(raw);
  return facts_of(raw);
}

std::vector<RouteFacts> Netlink::routes() {
  nl_cache* raw = nullptr;
  check(rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw), "list the routes");
  const Cache cache(raw);
  std::vector<RouteFacts> found;
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* route = reinterpret_cast<rtnl_route*>(object);
    nl_addr* destination = rtnl_route_get_dst(route);
    if (rtnl_route_get_table(route) != RT_TABLE_MAIN || destination == nullptr || nl_addr_get_prefixlen(destination) == 0) continue;
    rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
    found.push_back({text_of(destination), hop == nullptr ? 0 : rtnl_route_nh_get_ifindex(hop)});
  }
  return found;
}

void Netlink::add_bridge(const BridgePlan& plan) {
  const Link link(rtnl_link_bridge_alloc());
  rtnl_link_set_name(link.get(), plan.name.c_str());
  rtnl_link_set_group(link.get(), plan.group);
  // One of its own: else the bridge takes its ports' and changes it when they come and go.
  rtnl_link_set_addr(link.get(), parse_address(plan.mac, AF_LLC).get());
  if (plan.mtu != 0) rtnl_link_set_mtu(link.get(), plan.mtu);
  rtnl_link_set_flags(link.get(), IFF_UP);
  check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL), "make the bridge " + plan.name);
}

void Netlink::add_veth(const VethPlan& plan) {
  const auto bridge = find_link(plan.bridge);
  if (!bridge) throw Error::internal("the bridge {} is not there", plan.bridge);
  const Link link(rtnl_link_veth_alloc());
  const Link peer(rtnl_link_veth_get_peer(link.get()));
  rtnl_link_set_name(link.get(), plan.name.c_str());
  rtnl_link_set_group(link.get(), plan.group);
  rtnl_link_set_master(link.get(), bridge->index);
  rtnl_link_set_flags(link.get(), IFF_UP);
  rtnl_link_set_name(peer.get(), plan.peer_name.c_str());
  rtnl_link_set_ns_fd(peer.get(), plan.peer_namespace);
  if (!plan.peer_mac.empty()) rtnl_link_set_addr(peer.get(), parse_address(plan.peer_mac, AF_LLC).get());
  if (plan.mtu != 0) {
    rtnl_link_set_mtu(link.get(), plan.mtu);
    rtnl_link_set_mtu(peer.get(), plan.mtu);
  }
  check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL), "make the interface " + plan.name);
}

void Netlink::remove_link(const std::string& name) {
  const Link link(rtnl_link_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  const int result = rtnl_link_delete(socket_.get(), link.get());
  if (result != -NLE_NODEV && result != -NLE_OBJ_NOTFOUND) check(result, "remove the interface " + name);
}

void Netlink::set_up(int index) {
  const Link original(rtnl_link_alloc());
  const Link changes(rtnl_link_alloc());
  rtnl_link_set_ifindex(original.get(), index);
  rtnl_link_set_flags(changes.get(), IFF_UP);
  check(rtnl_link_change(socket_.get(), original.get(), changes.get(), 0), "switch on an interface");
}

void Netlink::set_hairpin(int index) {
  const Link original(rtnl_link_alloc());
  const Link changes(rtnl_link_alloc());
  rtnl_link_set_ifindex(original.get(), index);
  rtnl_link_set_family(original.get(), AF_BRIDGE);
  rtnl_link_set_family(changes.get(), AF_BRIDGE);
  check(rtnl_link_bridge_set_flags(changes.get(), RTNL_BRIDGE_HAIRPIN_MODE), "prepare an interface");
  check(rtnl_link_change(socket_.get(), original.get(), changes.get(), 0), "change an interface");
}

/// libnl has no flag for it.
void Netlink::set_isolated(int index) {
  const Message message(nlmsg_alloc_simple(RTM_SETLINK, 0));
  if (!message) throw Error::internal("no memory for a netlink message");
  ifinfomsg head{};
  head.ifi_family = AF_BRIDGE;
  head.ifi_index = index;
  check(nlmsg_append(message.get(), &head, sizeof head, NLMSG_ALIGNTO), "isolate an interface");
  nlattr* flags = nla_nest_start(message.get(), IFLA_PROTINFO | NLA_F_NESTED);
  if (flags == nullptr) throw Error::internal("no memory for a netlink message");
  check(nla_put_u8(message.get(), IFLA_BRPORT_ISOLATED, 1), "isolate an interface");
  nla_nest_end(message.get(), flags);
  check(nl_send_auto(socket_.get(), message.get()), "isolate an interface");
  check(nl_wait_for_ack(socket_.get()), "isolate an interface");
}

void Netlink::add_address(int index, const std::string& address) {
  const InterfaceAddress one(rtnl_addr_alloc());
  const Addr local = parse_address(address, family_of(address));
  rtnl_addr_set_ifindex(one.get(), index);
  check(rtnl_addr_set_local(one.get(), local.get()), "set the address " + address);
  if (family_of(address) == AF_INET6) rtnl_addr_set_flags(one.get(), IFA_F_NODAD);  // nobody else gives out addresses there
  const int result = rtnl_addr_add(socket_.get(), one.get(), 0);
  if (result != -NLE_EXIST) check(result, "set the address " + address);
}

void Netlink::add_default_route(int index, const std::string& gateway) {
  const int family = family_of(gateway);
  const Route route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family));
  check(rtnl_route_set_dst(route.get(), parse_address("default", family).get()), "make a route");
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, index);
  rtnl_route_nh_set_gateway(hop, parse_address(gateway, family).get());
  rtnl_route_add_nexthop(route.get(), hop);
  const int result = rtnl_route_add(socket_.get(), route.get(), NLM_F_EXCL);
  if (result != -NLE_EXIST) check(result, "set the default route by " + gateway);
}

// ---- namespaces

bool blocking_is_namespace(const std::string& path) {
  struct statfs facts{};
  return ::statfs(path.c_str(), &facts) == 0 && facts.f_type == NSFS_MAGIC;
}

bool blocking_set_sysctl(const std::string& name, const std::string& value) {
  const UniqueFd file(::open(("/proc/sys/" + name).c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

namespace {

/// On a thread that ends afterwards: it stays in the new namespace.
void make_namespace(const std::string& path) {
  const UniqueFd pin = blocking_open(path, O_RDONLY | O_CREAT, 0600);
  if (::unshare(CLONE_NEWNET) != 0) throw from_errno(errno, "make a network namespace");
  // IPv6 is switched on by interface, where the network has it.
  blocking_set_sysctl("net/ipv6/conf/default/disable_ipv6", "1");
  blocking_set_sysctl("net/ipv6/conf/all/disable_ipv6", "1");
  Netlink().set_up(kLoopbackIndex);
  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    const int error = errno;
    ::unlink(path.c_str());
    throw from_errno(error, "pin the network namespace");
  }
}

void enter_and_work(const std::string& path, bool make, const std::function<void(int)>& work) {
  if (blocking_is_namespace(path)) {
    const UniqueFd pinned = blocking_open(path, O_RDONLY);
    if (::setns(pinned.get(), CLONE_NEWNET) != 0) throw from_errno(errno, "enter the network namespace");
    work(pinned.get());
    return;
  }
  if (!make) throw Error::not_found("the network namespace {} is not there", path);
  make_namespace(path);
  const UniqueFd pinned = blocking_open(path, O_RDONLY);
  work(pinned.get());
}

}  // namespace

void blocking_in_namespace(const std::string& path, bool make, const std::function<void(int)>& work) {
  std::exception_ptr failure;
  // A thread that has entered a namespace is of no other use.
  std::thread thread([&] {
    try {
      enter_and_work(path, make, work);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

void blocking_remove_namespace(const std::string& path) {
  if (blocking_is_namespace(path) && ::umount2(path.c_str(), MNT_DETACH) != 0) throw from_errno(errno, "release the network namespace");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw from_errno(errno, "remove the network namespace");
}

}  // namespace sockerless::local
