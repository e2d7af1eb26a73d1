#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace sockerless {

/// What a failure means for the caller. The first ones are about reaching the daemon, the rest are the daemon's own answers.
enum class DockerErrorType : std::uint8_t {
  permission,       ///< the daemon's socket, or a file, does not let this user in; the message has the safe way out
  connection,       ///< the daemon cannot be reached, the connection broke, or what came over it is not Docker's API
  timeout,          ///< no connection, answer or end in time
  cancelled,        ///< the caller's stop token or cancel()
  unknown,          ///< none of these: an argument or a configuration that cannot be used, a failure of this machine
  not_modified,     ///< 304: it was so already
  bad_request,      ///< 400, and any 4xx that is not among the others
  unauthorized,     ///< 401
  forbidden,        ///< 403: the daemon refuses the request (a policy, an authorisation plugin)
  not_found,        ///< 404
  conflict,         ///< 409
  too_large,        ///< 413
  throttled,        ///< 429
  server_error,     ///< 500, and any 5xx that is not among the others; also a failure inside a stream (pull, build)
  not_implemented,  ///< 501
  unavailable,      ///< 503
};

/// The enumerator's name.
std::string_view name_of(DockerErrorType type);

/// Why a call failed.
struct DockerError {
  DockerErrorType type = DockerErrorType::unknown;
  int code = 0;  ///< the HTTP status where the daemon answered, else the errno of a failed connection, else 0
  std::string message = {};
  bool recoverable = false;                                   ///< the same call may succeed later, without anybody changing it
  std::optional<std::chrono::milliseconds> retry_after = {};  ///< not before; from Retry-After or from the circuit breaker

  /// True when the daemon itself answered with an error.
  bool is_api_error() const { return type >= DockerErrorType::not_modified; }
  /// "not_found (404): No such container: x"
  std::string text() const;

  friend bool operator==(const DockerError&, const DockerError&) = default;
  friend std::ostream& operator<<(std::ostream& out, const DockerError& error) { return out << error.text(); }
};

}  // namespace sockerless
