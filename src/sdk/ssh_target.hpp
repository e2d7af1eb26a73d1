#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sockerless/endpoint.hpp"

// Internal to sdk/: what an ssh:// address may say, and the command line that it becomes.
//
// The parts of the address end up as arguments of ssh, in ssh's own expansions (%h and %r of a ProxyCommand, which ssh gives to a shell),
// and the path on a command line that the far side's login shell reads. So each part has a small alphabet in which nothing is an option, a
// quote or a word separator. What does not fit can be given a name in ~/.ssh/config.

namespace sockerless {

/// Reads "ssh://[user@]host[:port][/path of the far side's socket]".
/// @errors invalid_argument: a password, a query, a character outside the alphabet, a leading dash.
Endpoint parse_ssh_endpoint(std::string_view text);

/// @errors invalid_argument: a part of an endpoint that was put together by hand is not what parse_ssh_endpoint lets through.
void check_ssh_endpoint(const Endpoint& endpoint);

/// The whole command line, `program` (a path) first: ssh's options, "--", the host, `docker system dial-stdio`.
std::vector<std::string> ssh_command(const std::string& program, const Endpoint& endpoint, unsigned connect_timeout_seconds);

}  // namespace sockerless
