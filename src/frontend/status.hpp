#pragma once

#include "backend/backend.hpp"
#include "frontend/frontend.hpp"
#include "net/server.hpp"

// Internal to frontend/: what the daemon says of itself, whatever becomes of its backend.
namespace sockerless::frontend {

/// GET /healthz: {"backend", "state": "ok" or "disconnected", "last_error", "advice", "last_success", "failures", "next_retry"}. Always
/// 200: this process is well, whatever its backend is.
Task<void> healthz(net::Exchange& exchange, Backend& backend);

/// GET /metrics: the counters of options.metrics in the text format of Prometheus. @errors not_found: there are none.
Task<void> metrics(net::Exchange& exchange, Backend& backend, const FrontendOptions& options);

}  // namespace sockerless::frontend
