#pragma once

#include <memory>
#include <string>

#include "net/http.hpp"
#include "net/transport.hpp"
#include "net/websocket.hpp"

// Internal to net/.
namespace sockerless::net {

/// @errors invalid_argument: the request is no proper WebSocket handshake.
void check_websocket_request(const RequestHead& request);
/// Answers a checked handshake with `headers` added. `input` was read from the transport already.
Task<std::unique_ptr<WebSocket>> accept_websocket_on(std::unique_ptr<Transport> transport, InputBuffer input, const RequestHead& request,
                                                     Headers headers);
/// @errors those of the status the server answered with.
Task<std::unique_ptr<WebSocket>> connect_websocket_on(std::unique_ptr<Transport> transport, std::string host, std::string target,
                                                      Headers headers);

}  // namespace sockerless::net
