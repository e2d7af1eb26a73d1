#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sockerless::oci {

/// An http or https address, as far as registries need it.
struct RegistryUrl {
  bool tls = true;
  std::string host;  ///< a name or an IP address, without brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query

  /// @errors invalid_argument: another scheme, a user or a malformed port or target.
  static RegistryUrl parse(std::string_view text);
  /// "host", "host:port" as it stands in an image's name.
  static RegistryUrl of_host(std::string_view host, bool tls);

  /// Where a Location that this address answered with leads to.
  RegistryUrl resolve(std::string_view location) const;
  RegistryUrl at(std::string target_in) const;
  /// "https://host:port", the port only where it is not the scheme's.
  std::string origin() const;
  std::string str() const { return origin() + target; }
  /// For the Host field.
  std::string authority() const;
};

/// Percent-encodes what is not unreserved.
std::string encode_query(std::string_view text);

}  // namespace sockerless::oci
