#include "sockerless/async_client.hpp"

#include "sdk/async_calls.hpp"
#include "sdk/monitor.hpp"
#include "sdk/ping.hpp"
#include "sockerless/discovery.hpp"

namespace sockerless {

namespace {

Task<PathInfo> ask_path_stat(CorePointer core, Call call, CallOptions options) {
  const net::Response response = co_await core->link->request(std::move(call), std::move(options));
  co_return path_stat_of(response.headers);
}

Task<std::string> ask_version(CorePointer core, CallOptions options) {
  const api::ApiVersion version = co_await core->link->version(core->link->deadline_of({}, options));
  co_return version.str();
}

}  // namespace

Result<AsyncClient> AsyncClient::open(DockerConfig config) {
  return without_throwing([&] { return AsyncClient(open_core(std::move(config))); });
}

Result<AsyncClient> AsyncClient::from_environment() {
  Result<DiscoveredEndpoint> found = discover_endpoint();
  if (!found) return std::move(found).error();
  return open(DockerConfig::for_daemon(*found));
}

asio::awaitable<Result<PingInfo>> AsyncClient::ping(CallOptions options) const {
  return to_result(ping_daemon(core_->link, std::move(options)));
}

asio::awaitable<Result<PathInfo>> AsyncClient::container_archive_info(std::string_view id, std::string_view path,
                                                                      CallOptions options) const {
  Result<Call> call = without_throwing([&] { return describe_archive_info(id, path); });
  if (!call) return failed<PathInfo>(std::move(call).error());
  return to_result(ask_path_stat(core_, *std::move(call), std::move(options)));
}

asio::awaitable<Result<std::string>> AsyncClient::api_version(CallOptions options) const {
  return to_result(ask_version(core_, std::move(options)));
}

DockerConnectionState AsyncClient::connection_state() const { return core_->link->health().state(); }
BreakerState AsyncClient::breaker_state() const { return breaker_state_of(*core_->link); }
PoolFigures AsyncClient::pool() const { return pool_figures_of(*core_->link); }
const DockerConfig& AsyncClient::config() const { return core_->link->config(); }

void AsyncClient::on_health(HealthListener listener) const noexcept {
  if (core_->monitor) core_->monitor->add_listener(std::move(listener));
}

}  // namespace sockerless
