#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sockerless/host_environment.hpp"

namespace sockerless {

/// The files of a TLS connection, in PEM.
struct TlsFiles {
  std::string ca_file;           ///< who may have signed the daemon's certificate; empty: the system's roots
  std::string certificate_file;  ///< what the daemon is shown; empty: nothing
  std::string key_file;          ///< of certificate_file
  bool verify = true;            ///< false: the daemon's certificate is taken as it is

  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

/// Where a Docker daemon is and how it is reached.
struct Endpoint {
  enum class Kind : std::uint8_t { unix_socket, tcp, tls, ssh };
  Kind kind = Kind::unix_socket;
  std::string path;        ///< of the unix socket; of ssh: the socket on the far side, empty for its default
  std::string host;        ///< of tcp, tls and ssh: a name or an IP address, without brackets
  std::uint16_t port = 0;  ///< of tcp and tls; of ssh 0 means what the ssh configuration says
  std::string user;        ///< of ssh; empty: what the ssh configuration says
  TlsFiles tls;            ///< of tls

  static Endpoint unix_socket(std::string socket_path) {
    Endpoint endpoint;
    endpoint.path = std::move(socket_path);
    return endpoint;
  }
  /// As DOCKER_HOST would have it: "unix:///run/docker.sock", "tcp://10.0.0.1:2376", "ssh://me@host:22/run/docker.sock".
  std::string str() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// What named an endpoint.
enum class EndpointSource : std::uint8_t {
  caller,           ///< the program
  docker_host,      ///< DOCKER_HOST
  docker_context,   ///< the context that DOCKER_CONTEXT names
  current_context,  ///< the context that `docker context use` chose: currentContext in config.json
  default_socket,   ///< nothing: /var/run/docker.sock, or the default TCP port where DOCKER_TLS_VERIFY asks for TLS
  usual_socket,     ///< nothing, and there is no default socket: one of the other usual places
};

/// What a program decides itself, as the docker command's flags do; each beats the environment.
struct DiscoveryOptions {
  std::string host;     ///< as --host
  std::string context;  ///< as --context; not together with host
};

/// The daemon that this user's docker command would talk to.
struct DiscoveredEndpoint {
  Endpoint endpoint;
  EndpointSource source = EndpointSource::default_socket;
  std::string context;  ///< its name, where the source is a context
  std::string origin;   ///< in words: "DOCKER_HOST", "the context \"remote\" (currentContext in /home/me/.docker/config.json)"
  std::optional<std::string> api_version;  ///< what DOCKER_API_VERSION pins, as "1.44"; otherwise it is negotiated
};

/// Where else a daemon's socket may be for this user, the likeliest first: rootless Docker, Docker Desktop, Colima, Rancher Desktop,
/// OrbStack, Podman. Not looked at: they may not exist.
std::vector<std::string> usual_sockets(const HostEnvironment& environment);

inline constexpr std::string_view kDefaultDockerSocket = "/var/run/docker.sock";

}  // namespace sockerless
