#pragma once

#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "net/server.hpp"

// Internal to net/.
namespace sockerless::net {

struct ListeningSocket {
  UniqueFd fd;
  int family = 0;
  Address address = {};           ///< with the port that was chosen
  std::uint64_t file_device = 0;  ///< of a unix socket's file, to know it again
  std::uint64_t file_inode = 0;
};

/// Binds and listens by the rules of HttpServer::listen.
ListeningSocket open_listening_socket(const Address& address, const ListenOptions& options);
/// Removes a unix socket's file if it still is the one that was bound.
void remove_socket_file(const ListeningSocket& socket);

}  // namespace sockerless::net
