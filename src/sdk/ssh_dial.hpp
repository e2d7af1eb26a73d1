#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/byte_stream.hpp"
#include "sockerless/endpoint.hpp"
#include "sockerless/host_environment.hpp"

// Internal to sdk/: a connection to a daemon behind ssh.

namespace sockerless {

struct SshOptions {
  std::string program = "ssh";  ///< a name to be found in PATH, or a path
  std::chrono::seconds connect_timeout{30};
};

/// Starts `ssh ... docker system dial-stdio` and gives its standard input and output as one stream. Returns before ssh has connected: that
/// it could not is the first read's or write's failure, with ssh's own words.
///
/// close_write ends the far side's input; close ends ssh. Destroying the stream kills what is left of it and reaps it.
/// @errors invalid_argument: the endpoint has a part that may not go on a command line. not_found: no ssh client in PATH.
///         Of read_some and write, before anything was received: unavailable (ssh failed). Threads: the executor's.
/// Source: docker/cli, cli/connhelper/ssh.
std::unique_ptr<ByteStream> open_ssh_stream(asio::any_io_executor executor, const Endpoint& endpoint, const HostEnvironment& environment,
                                            const SshOptions& options = {});

}  // namespace sockerless
