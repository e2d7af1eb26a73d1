#pragma once

#include "backend/backend.hpp"
#include "net/server.hpp"

namespace sockerless {

/// Serves a backend over /internal/v1 (README.md). Unknown routes are 404 {"message": "page not found"}.
/// @param backend  outlives the server that calls the handler.
net::Handler make_internal_server(Backend& backend);

}  // namespace sockerless
