#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sockerless/credentials.hpp"
#include "sockerless/host_environment.hpp"

// Internal to sdk/: what CredentialStore does, as functions that throw Error.
namespace sockerless {

/// @errors invalid_argument: not an image reference, in Docker's words.
std::string registry_key_of_reference(std::string_view image_reference);
/// @param key  as registry_key gives it.
/// @errors invalid_argument: malformed configuration. forbidden, internal: it cannot be read. not_found: no such helper. unavailable: it
/// failed.
///         deadline_exceeded: it took too long.
RegistryCredentials blocking_find_credentials(const HostEnvironment& environment, const std::string& key);
std::map<std::string, RegistryCredentials> blocking_list_credentials(const HostEnvironment& environment);

}  // namespace sockerless
