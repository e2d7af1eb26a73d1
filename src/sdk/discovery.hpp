#pragma once

#include <string_view>

#include "sockerless/endpoint.hpp"
#include "sockerless/host_environment.hpp"

// Internal to sdk/: what discovery does, as functions that throw Error.
namespace sockerless {

/// As parse_endpoint. @errors invalid_argument.
Endpoint endpoint_of_text(std::string_view text);
/// As discover_endpoint. @errors invalid_argument, not_found, forbidden, internal: the message names the variable or file.
DiscoveredEndpoint find_endpoint(const HostEnvironment& environment, const DiscoveryOptions& options);

}  // namespace sockerless
