#include "sockerless/client.hpp"

#include "sdk/blocking_calls.hpp"
#include "sdk/client_core.hpp"
#include "sdk/monitor.hpp"
#include "sdk/ping.hpp"
#include "sockerless/discovery.hpp"

namespace sockerless {

Result<Client> Client::open(DockerConfig config) {
  return without_throwing([&] { return Client(open_core(std::move(config))); });
}

Result<Client> Client::from_environment() {
  Result<DiscoveredEndpoint> found = discover_endpoint();
  if (!found) return std::move(found).error();
  return open(DockerConfig::for_daemon(*found));
}

Result<PingInfo> Client::ping(CallOptions options) const {
  return without_throwing([&] {
    OwnThreadRunner runner(core_->contexts);
    Result<PingInfo> info = run_to_result(runner, ping_daemon(core_->link, std::move(options)));
    if (!info) throw Failure(std::move(info).error());
    return *std::move(info);
  });
}

Result<PathInfo> Client::container_archive_info(std::string_view id, std::string_view path, CallOptions options) const {
  return without_throwing([&] {
    const Result<net::Response> response = blocking_request(core_, describe_archive_info(id, path), std::move(options));
    if (!response) throw Failure(response.error());
    return path_stat_of(response->headers);
  });
}

Result<std::string> Client::api_version(CallOptions options) const {
  return without_throwing([&] {
    OwnThreadRunner runner(core_->contexts);
    Result<api::ApiVersion> version = run_to_result(runner, core_->link->version(core_->link->deadline_of({}, options)));
    if (!version) throw Failure(std::move(version).error());
    return version->str();
  });
}

DockerConnectionState Client::connection_state() const { return core_->link->health().state(); }
BreakerState Client::breaker_state() const { return breaker_state_of(*core_->link); }
PoolFigures Client::pool() const { return pool_figures_of(*core_->link); }
void Client::on_health(HealthListener listener) const noexcept {
  if (core_->monitor) core_->monitor->add_listener(std::move(listener));
}
const DockerConfig& Client::config() const { return core_->link->config(); }

}  // namespace sockerless
