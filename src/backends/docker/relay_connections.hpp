#pragma once

#include <memory>

#include "backend/relay.hpp"
#include "sdk/daemon_link.hpp"

namespace sockerless {

/// The connections of a client's link, for a frontend that passes requests on. Circuit breaker and health are the link's, so that what its
/// calls and its monitor learn of the daemon holds here too.
std::unique_ptr<RelayRole> make_relay_connections(std::shared_ptr<DaemonLink> link);

}  // namespace sockerless
