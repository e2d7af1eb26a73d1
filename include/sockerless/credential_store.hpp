#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sockerless/credentials.hpp"
#include "sockerless/host_environment.hpp"
#include "sockerless/result.hpp"

namespace sockerless {

/// The registry that an image comes from, as that key: "nginx" is Docker Hub's, "ghcr.io/a/b:1" is ghcr.io's.
/// @errors unknown, not recoverable: not an image reference, in Docker's words.
Result<std::string> registry_key_of_image(std::string_view image_reference);

/// Looks credentials up where the docker command does: the variable DOCKER_AUTH_CONFIG, then for the registry `credHelpers`, else
/// `credsStore` (both are programs docker-credential-NAME, run without a shell), else `auths` of $DOCKER_CONFIG/config.json.
///
/// Reads the file again at each call, so that a `docker login` meanwhile counts. Blocks: a helper may take its time, at most 30 seconds.
/// Threads: any. Source: docker/cli, cli/config/configfile; docker-credential-helpers' protocol.
class CredentialStore {
 public:
  /// The environment must outlive the store.
  explicit CredentialStore(const HostEnvironment& environment = process_host_environment()) : environment_(environment) {}

  /// @param server_address  of a registry, in any of its forms. @return anonymous when nothing is stored.
  /// @errors unknown: config.json is malformed (the message names it and what is wrong, never a secret), the helper is missing or fails.
  ///         timeout: the helper did not end. permission: config.json cannot be read.
  Result<RegistryCredentials> blocking_get(std::string_view server_address) const;
  /// What pulling or pushing this image wants.
  Result<RegistryCredentials> blocking_get_for_image(std::string_view image_reference) const;
  /// All that are stored, by registry key, for a build. A helper of one registry that fails costs that registry only.
  Result<std::map<std::string, RegistryCredentials>> blocking_get_all() const;

 private:
  const HostEnvironment& environment_;
};

}  // namespace sockerless
