#pragma once

#include <cstddef>
#include <memory>

#include "sockerless/client_calls.hpp"
#include "sockerless/config.hpp"
#include "sockerless/health.hpp"
#include "sockerless/result.hpp"

namespace sockerless {

/// A client of one Docker daemon, whose calls wait.
///
///   Result<Client> client = Client::from_environment();
///   if (!client) return fail(client.error());
///   auto containers = client->container_list({.all = true});
///
/// The calls are ClientCalls, one for each endpoint. Each waits on its caller's thread, at most DockerConfig::timeout; a daemon that goes
/// away and comes back needs nothing from the caller. Copies share the connections.
/// Threads: any, at the same time.
class Client : public ClientCalls {
 public:
  /// Does not connect yet. @errors unknown: the configuration cannot be used.
  static Result<Client> open(DockerConfig config = {});
  /// The daemon that this user's docker command would talk to (discover_endpoint).
  static Result<Client> from_environment();

  /// HEAD /_ping. Not repeated, and sent also while the breaker refuses calls.
  Result<PingInfo> ping(CallOptions options = {}) const;
  /// HEAD /containers/{id}/archive: what is at a path in a container.
  Result<PathInfo> container_archive_info(std::string_view id, std::string_view path, CallOptions options = {}) const;

  /// The API version that is spoken, negotiated if it is not known yet: "1.44".
  Result<std::string> api_version(CallOptions options = {}) const;
  DockerConnectionState connection_state() const;
  BreakerState breaker_state() const;
  PoolFigures pool() const;
  /// Calls `listener` with what the monitor last learnt, if anything, and for what it sees from now on. There is no monitor without a
  /// health_check_interval.
  void on_health(HealthListener listener) const noexcept;
  const DockerConfig& config() const;

 private:
  explicit Client(std::shared_ptr<detail::ClientCore> core) : ClientCalls(std::move(core)) {}
};

}  // namespace sockerless
