#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sockerless/secret.hpp"

namespace sockerless {

/// Who one is at a registry. Nothing set: anonymous.
struct RegistryCredentials {
  std::string server_address = {};  ///< as config.json names it: "ghcr.io", "https://index.docker.io/v1/"
  std::string username = {};
  Secret<std::string> password = {};
  Secret<std::string> identity_token = {};  ///< an OAuth2 refresh token, in place of username and password
  Secret<std::string> registry_token = {};  ///< a bearer token for the registry itself

  bool is_anonymous() const;
  friend bool operator==(const RegistryCredentials&, const RegistryCredentials&) = default;
};

/// The key of a registry in config.json: "https://index.docker.io/v1/" for Docker Hub (docker.io, index.docker.io), else the host and port
/// of the address, which may be a URL.
std::string registry_key(std::string_view server_address);

/// The value of the header X-Registry-Auth: JSON in URL-safe base64 with padding, "e30=" for anonymous.
Secret<std::string> encode_registry_auth(const RegistryCredentials& credentials);
/// The value of the header X-Registry-Config (POST /build): the credentials by registry key.
Secret<std::string> encode_registry_config(const std::map<std::string, RegistryCredentials>& all);

}  // namespace sockerless
