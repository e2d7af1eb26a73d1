#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"
#include "sockerless/config.hpp"

namespace sockerless {

/// What start() does about a daemon that does not answer.
enum class WhenAbsent { fail, wait };

struct DockerBackendOptions {
  DockerConfig daemon;
  WhenAbsent when_absent = WhenAbsent::fail;
};

/// Where the daemon is: at `host` (a socket's path or what DOCKER_HOST may say), else where this user's docker command would look.
/// @param api_version  "1.41"; empty: what DOCKER_API_VERSION pins, else negotiated.
/// @errors invalid_argument: not such an address or version.
DockerConfig docker_config_of(const std::string& host, const std::string& api_version = {});

/// A real Docker daemon, through the client library: every call is one of the daemon's, nothing is kept here.
///
/// start() pings. @errors (start) unavailable: "failed to connect to Docker daemon: ...". (all) the daemon's own status where it is 304,
/// 400, 403, 404 or 409, else internal; unavailable: it cannot be reached; deadline_exceeded: it does not answer.
std::unique_ptr<Backend> make_docker_backend(DockerBackendOptions options);

}  // namespace sockerless
