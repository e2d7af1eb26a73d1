#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "api/version.hpp"
#include "backend/backend.hpp"
#include "frontend/metrics.hpp"
#include "net/server.hpp"

namespace sockerless {

struct FrontendOptions {
  api::ApiVersion advertised = api::kDefaultApiVersion;  ///< the newest version that is spoken, and the one of paths without a version
  api::ApiVersion minimum = api::kMinApiVersion;
  std::string server_version = SOCKERLESS_VERSION;             ///< in the Server header and, where the backend names none, in /version
  std::size_t json_body_limit = 4UL * 1024 * 1024;             ///< a larger JSON body is 413
  const Metrics* metrics = nullptr;                            ///< what /metrics shows; without it there is no /metrics
  std::function<void(MetricsGauges&)> count_connections = {};  ///< fills in connections and streams
};

/// The headers of every answer: Api-Version, Docker-Experimental, Ostype, Server. For ServerOptions::constant_headers.
net::Headers frontend_headers(const FrontendOptions& options);

/// The Docker Engine API over a backend, for net::HttpServer. `backend` and the metrics outlive the handler.
///
/// Where the backend has a daemon that speaks the API itself (RelayRole), requests go to it as they are. /healthz and /metrics are answered
/// here in any case.
///
/// Threads: any; each request runs on its connection's strand.
net::Handler make_frontend(Backend& backend, FrontendOptions options);

}  // namespace sockerless
