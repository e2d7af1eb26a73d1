#include "frontend/status.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/time.hpp"

namespace sockerless::frontend {

namespace {

boost::json::value when(const std::optional<std::chrono::system_clock::time_point>& time) {
  if (!time) return nullptr;
  return boost::json::string(format_rfc3339(*time));
}

}  // namespace

Task<void> healthz(net::Exchange& exchange, Backend& backend) {
  RelayRole* const relay = backend.relay();
  ConnectionHealth health;
  health.is_connected = true;
  if (relay != nullptr) health = relay->health();
  boost::json::object body;
  body["backend"] = backend.capabilities().backend;
  body["state"] = health.is_connected ? "ok" : "disconnected";
  body["last_error"] = health.last_error.empty() ? boost::json::value(nullptr) : boost::json::value(health.last_error);
  boost::json::array advice;
  if (relay != nullptr && !health.is_connected) {
    for (const std::string& way : co_await relay->advice()) advice.emplace_back(way);
  }
  body["advice"] = std::move(advice);
  body["last_success"] = when(health.last_success);
  body["failures"] = health.failures;
  body["next_retry"] = when(health.next_retry_at);
  co_await exchange.respond(200, {{"Content-Type", "application/json"}}, boost::json::serialize(body) + "\n");
}

Task<void> metrics(net::Exchange& exchange, Backend& backend, const FrontendOptions& options) {
  if (options.metrics == nullptr) throw Error::not_found("page not found");
  RelayRole* const relay = backend.relay();
  MetricsGauges gauges{.backend = std::string(backend.capabilities().backend),
                       .is_backend_up = relay == nullptr || relay->health().is_connected};
  if (options.count_connections) options.count_connections(gauges);
  co_await exchange.respond(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, options.metrics->text(gauges));
}

}  // namespace sockerless::frontend
