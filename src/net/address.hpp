#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace sockerless::net {

/// Where a server listens or a client connects: a unix socket or a TCP port. TLS is a TlsConfig beside it.
struct Address {
  enum class Kind : std::uint8_t { unix_socket, tcp };
  Kind kind = Kind::unix_socket;
  std::string path;        ///< of the unix socket
  std::string host;        ///< of tcp: an IP address or a name, without brackets
  std::uint16_t port = 0;  ///< of tcp; 0 lets a listener choose

  /// Reads "unix:///run/x.sock", "unix://relative", "tcp://127.0.0.1:2375", "tcp://[::1]:0", "tcp://:2375" (127.0.0.1, as dockerd),
  /// "/run/x.sock".
  /// @errors invalid_argument: anything else.
  static Address parse(std::string_view text);
  static Address unix_socket(std::string path);
  static Address tcp(std::string host, std::uint16_t port);
  /// What parse reads.
  std::string str() const;

  friend bool operator==(const Address&, const Address&) = default;
};

/// Files in PEM. A server needs certificate and key; with `verify_peer` it refuses clients whose certificate is not signed by `ca_file`.
/// A client checks the server against `ca_file` (else the system's roots) and its name, unless verify_peer is off; certificate and key are
/// what it shows when asked.
struct TlsConfig {
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};
  bool verify_peer = true;
  std::string server_name = {};  ///< client: the name to check instead of the address's host
};

struct UnixCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Who is at the other end.
struct PeerInfo {
  enum class Transport : std::uint8_t { unix_socket, tcp, tls };
  Transport transport = Transport::unix_socket;
  std::string address = {};                         ///< "127.0.0.1:40000"; "unix" for a unix socket
  std::optional<UnixCredentials> credentials = {};  ///< SO_PEERCRED of a unix socket
  std::string tls_subject = {};                     ///< of a verified client certificate, RFC 2253; else empty
};

}  // namespace sockerless::net
