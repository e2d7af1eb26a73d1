#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace sockerless::local {

/// A socket that holds a port of this host, so that no other program takes it. Nothing arrives at it: the rules lead everything to the
/// container first.
struct PortReservation {
  UniqueFd socket;  ///< none where the host cannot hold such a port: no IPv6, no SCTP
  int error = 0;    ///< why the port cannot be had
};
PortReservation reserve_port(const std::string& protocol, const std::string& address, std::uint16_t port);

}  // namespace sockerless::local
