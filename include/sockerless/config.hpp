#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>

#include "sockerless/endpoint.hpp"
#include "sockerless/error.hpp"

namespace sockerless {

/// How a client reaches its daemon and how patient it is.
struct DockerConfig {
  std::string socket_path = std::string(kDefaultDockerSocket);
  std::chrono::milliseconds timeout = std::chrono::seconds(60);            ///< of a whole call; streams have none unless the call names one
  int retry_attempts = 3;                                                  ///< how often a request is sent again, where that is safe
  std::chrono::milliseconds retry_delay = std::chrono::milliseconds(100);  ///< before the first repetition; it doubles, with jitter
  std::chrono::milliseconds health_check_interval = std::chrono::seconds(10);  ///< between the monitor's pings; 0: no monitor

  std::optional<Endpoint> endpoint = {};           ///< where the daemon is; in place of socket_path
  EndpointSource source = EndpointSource::caller;  ///< who named it, for advice when it cannot be reached
  std::string context = {};                        ///< the docker context's name, where it came from one
  std::optional<std::string> api_version = {};     ///< as "1.44"; otherwise negotiated: the lower of the daemon's and ours
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds answer_timeout = {};  ///< from the request to the answer's head; 0: only `timeout` counts
  std::chrono::milliseconds max_retry_delay = std::chrono::seconds(5);
  std::size_t max_connections = 64;                     ///< of calls; more calls at a time wait for one
  std::size_t max_streams = 1024;                       ///< connections that streams and hijacks hold
  std::size_t max_response_bytes = 64UL * 1024 * 1024;  ///< of an answer that is held in memory
  std::size_t max_message_bytes = 16UL * 1024 * 1024;   ///< of one message of a stream: a line of JSON
  int breaker_failures = 5;                             ///< so many failures to connect in a row open the circuit breaker
  std::chrono::milliseconds breaker_delay = std::chrono::milliseconds(500);  ///< until a first call may try again; doubles
  std::chrono::milliseconds max_breaker_delay = std::chrono::seconds(30);
  std::string user_agent = "sockerless-sdk";

  Endpoint daemon() const { return endpoint ? *endpoint : Endpoint::unix_socket(socket_path); }
  /// For the daemon that discover_endpoint found.
  static DockerConfig for_daemon(const DiscoveredEndpoint& found) {
    DockerConfig config;
    config.endpoint = found.endpoint;
    config.source = found.source;
    config.context = found.context;
    config.api_version = found.api_version;
    return config;
  }
};

/// How the connection to the daemon is, as far as calls and the monitor know.
struct DockerConnectionState {
  bool is_connected = false;  ///< the last attempt to reach the daemon succeeded
  std::optional<DockerError> last_error = {};
  std::optional<std::chrono::system_clock::time_point> last_successful_connection = {};
  int retry_count = 0;                                                      ///< failures in a row
  std::optional<std::chrono::system_clock::time_point> next_retry_at = {};  ///< set while the breaker refuses calls
};

/// What one call may have of its own.
struct CallOptions {
  std::stop_token stop = {};                              ///< ends the call, or the stream it opened, with `cancelled`
  std::optional<std::chrono::milliseconds> timeout = {};  ///< in place of DockerConfig::timeout; of a stream: from opening to its end
  std::optional<int> retry_attempts = {};                 ///< in place of DockerConfig::retry_attempts
};

}  // namespace sockerless
