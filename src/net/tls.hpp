#pragma once

#include <memory>
#include <string>

#include "net/address.hpp"
#include "net/transport.hpp"

typedef struct ssl_ctx_st SSL_CTX;

// Internal to net/.
namespace sockerless::net {

using TlsContext = std::shared_ptr<SSL_CTX>;  // shared by the listener or client and its connections

/// @errors invalid_argument: a file is missing, unreadable or not what it should be; the text names it.
TlsContext make_server_tls(const TlsConfig& config);
TlsContext make_client_tls(const TlsConfig& config);

std::unique_ptr<Transport> make_tls_server_transport(const TlsContext& context, StreamSocket socket, PeerInfo peer);
/// @param server_name  checked against the certificate; empty: not checked.
std::unique_ptr<Transport> make_tls_client_transport(const TlsContext& context, StreamSocket socket, PeerInfo peer,
                                                     const std::string& server_name);

}  // namespace sockerless::net
