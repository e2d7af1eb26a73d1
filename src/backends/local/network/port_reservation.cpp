#include "backends/local/network/port_reservation.hpp"

#include <cerrno>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace sockerless::local {

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::optional<SocketAddress> find_address(const std::string& address, std::uint16_t port) {
  SocketAddress result;
  if (address.contains(':')) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
    result.size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) != 1) return std::nullopt;
    result.size = sizeof *v4;
  }
  return result;
}

UniqueFd make_socket(const std::string& protocol, bool v6) {
  const int kind = protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
  UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, kind | SOCK_CLOEXEC, protocol == "sctp" ? IPPROTO_SCTP : 0));
  const int on = 1;
  if (socket && v6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return socket;
}

}  // namespace

PortReservation reserve_port(const std::string& protocol, const std::string& address, std::uint16_t port) {
  const std::optional<SocketAddress> where = find_address(address, port);
  if (!where) return {.socket = {}, .error = EINVAL};
  const bool v6 = where->storage.ss_family == AF_INET6;
  const auto* raw = reinterpret_cast<const sockaddr*>(&where->storage);
  PortReservation result{make_socket(protocol, v6), 0};
  if (!result.socket) return result;
  if (::bind(result.socket.get(), raw, where->size) == 0) return result;
  result.error = errno;
  if (v6 && address == "::" && result.error == EADDRNOTAVAIL) return {};
  if (result.error == EADDRINUSE && protocol == "tcp") {
    // Connections that have just ended hold the port in a way that does not matter.
    result.socket = make_socket(protocol, v6);
    const int on = 1;
    ::setsockopt(result.socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(result.socket.get(), raw, where->size) == 0 && ::listen(result.socket.get(), 0) == 0) result.error = 0;
  }
  if (result.error != 0) result.socket.reset();
  return result;
}

}  // namespace sockerless::local
