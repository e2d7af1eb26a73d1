#include "net/listener.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::net {

namespace {

Logger log("net");

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 1024;

UniqueFd open_socket(int family, std::string_view doing) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw from_errno(errno, doing);
  return fd;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw Error::invalid_argument("the path of a unix socket has at most {} bytes: {}", sizeof address.sun_path - 1, path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Makes room for the socket's file: a dead server's is removed, a live one's is a conflict, anything else is left alone.
void clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw from_errno(errno, fmt::format("listen on {}", path));
  }
  if (!S_ISSOCK(status.st_mode)) throw Error::conflict("{} exists and is not a socket", path);
  const UniqueFd probe = open_socket(AF_UNIX, "probe " + path);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN) {
    throw Error::conflict("another server is running on {}", path);
  }
  if (errno != ECONNREFUSED) throw from_errno(errno, "probe " + path);
  log.info("stale socket file replaced path={}", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw from_errno(errno, "remove the stale socket " + path);
}

void give_to_group(const std::string& path, const std::string& name) {
  if (name.empty()) return;
  std::array<char, 4096> space{};
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, space.data(), space.size(), &found) != 0 || found == nullptr)
    return;  // the host has no such group
  if (::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
    log.warn("socket stays with its owner path={} group={} error={}", path, name, std::strerror(errno));
  }
}

ListeningSocket open_unix(const Address& address, const ListenOptions& options) {
  const std::string doing = "listen on " + address.path;
  const sockaddr_un name = unix_address(address.path);
  clear_path(address.path, name);
  ListeningSocket result{.fd = open_socket(AF_UNIX, doing), .family = AF_UNIX, .address = address};
  if (::bind(result.fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) throw from_errno(errno, doing);
  // Nobody can connect before listen(2), so there is no moment with the wrong mode.
  give_to_group(address.path, options.unix_group);
  if (::chmod(address.path.c_str(), kSocketMode) != 0) throw from_errno(errno, doing);
  if (::listen(result.fd.get(), kBacklog) != 0) throw from_errno(errno, doing);
  struct stat status{};
  if (::lstat(address.path.c_str(), &status) != 0) throw from_errno(errno, doing);
  result.file_device = status.st_dev;
  result.file_inode = status.st_ino;
  return result;
}

struct NumericAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool loopback = false;
};

NumericAddress numeric(const Address& address) {
  NumericAddress result;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    result.length = sizeof v4;
    result.loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    result.length = sizeof v6;
    result.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  } else {
    throw Error::invalid_argument("cannot listen on {}: the host must be an IP address or localhost", address.str());
  }
  return result;
}

ListeningSocket open_tcp(const Address& address, const ListenOptions& options) {
  const std::string doing = "listen on " + address.str();
  NumericAddress name = numeric(address);
  if (!options.tls) {
    if (!name.loopback && !options.insecure) {
      throw Error::forbidden(
          "refusing to listen on {} without TLS: anybody who reaches the port would be root on this machine; give certificates, use a "
          "loopback "
          "address, or say --insecure",
          address.str());
    }
    log.warn("listening without TLS, every local user has full access address={}", address.str());
  }
  ListeningSocket result{.fd = open_socket(name.storage.ss_family, doing), .family = name.storage.ss_family, .address = address};
  const int on = 1;
  ::setsockopt(result.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(result.fd.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.length) != 0 ||
      ::listen(result.fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) throw Error::conflict("another server is running on {}", address.str());
    throw from_errno(errno, doing);
  }
  if (::getsockname(result.fd.get(), reinterpret_cast<sockaddr*>(&name.storage), &name.length) != 0) throw from_errno(errno, doing);
  result.address.port = ntohs(name.storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(name.storage).sin_port
                                                                : reinterpret_cast<sockaddr_in6&>(name.storage).sin6_port);
  return result;
}

}  // namespace

ListeningSocket open_listening_socket(const Address& address, const ListenOptions& options) {
  return address.kind == Address::Kind::unix_socket ? open_unix(address, options) : open_tcp(address, options);
}

void remove_socket_file(const ListeningSocket& socket) {
  if (socket.address.kind != Address::Kind::unix_socket) return;
  struct stat status{};
  if (::lstat(socket.address.path.c_str(), &status) != 0) return;
  if (status.st_dev != socket.file_device || status.st_ino != socket.file_inode) return;  // another server has taken the place
  std::ignore = ::unlink(socket.address.path.c_str());  // it is only tidier: a stale file is replaced on the next start
}

}  // namespace sockerless::net
