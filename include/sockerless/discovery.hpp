#pragma once

#include <string_view>

#include "sockerless/endpoint.hpp"
#include "sockerless/host_environment.hpp"
#include "sockerless/result.hpp"

namespace sockerless {

/// Finds the daemon by the docker command's rules.
///
/// Order: `options`, DOCKER_HOST, DOCKER_CONTEXT, currentContext of $DOCKER_CONFIG/config.json (~/.docker), the default socket. The context
/// "default" means no context. DOCKER_TLS_VERIFY (verified) and DOCKER_TLS (not verified) are on when they are not empty, whatever they
/// say, and take ca.pem, cert.pem and key.pem from $DOCKER_CERT_PATH, else from the configuration directory; unlike the docker command,
/// which then fails, they leave unix sockets and ssh alone. Only where nothing is configured and there is no default socket, the first that
/// exists of usual_sockets() is taken.
/// @errors unknown, not recoverable: a variable or file says what cannot be used; the message names it. permission: a file cannot be read.
/// Threads: any. Reads files. Source: docker/cli, resolveContextName and resolveDefaultDockerEndpoint of cli/command/cli.go.
Result<DiscoveredEndpoint> discover_endpoint(const HostEnvironment& environment = process_host_environment(),
                                             const DiscoveryOptions& options = {});

/// Reads what DOCKER_HOST may say: unix://, tcp://, https:// (TLS with the system's roots), http://, ssh://, a bare path of a socket or
/// host:port.
/// @errors unknown, not recoverable.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace sockerless
