#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "backend/backend.hpp"
#include "net/address.hpp"

namespace sockerless {

struct RemoteOptions {
  net::Address address;
  std::optional<net::TlsConfig> tls = {};
  /// For calls that do not wait for a container: longer without an answer is deadline_exceeded.
  std::chrono::steady_clock::duration timeout = std::chrono::seconds(60);
};

/// A backend in another process, over /internal/v1: each call is a request, so nothing is cached and nothing is lost.
///
/// Its capabilities and roles are what the other process says when start() asks; before that there are none.
/// @errors (all) those of the other backend with code and message; unavailable: it does not answer.
std::unique_ptr<Backend> make_remote_backend(RemoteOptions options);

}  // namespace sockerless
