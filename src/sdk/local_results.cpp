// The public face of what is looked up on this machine: the functions behind it throw, these do not.

#include "base/error.hpp"
#include "sdk/credential_lookup.hpp"
#include "sdk/discovery.hpp"
#include "sockerless/credential_store.hpp"
#include "sockerless/discovery.hpp"

namespace sockerless {

namespace {

/// A failure of this machine or of its configuration: no daemon has answered.
DockerError local_failure(const Error& error) {
  DockerErrorType type = DockerErrorType::unknown;
  if (error.code() == ErrorCode::forbidden) type = DockerErrorType::permission;
  if (error.code() == ErrorCode::deadline_exceeded) type = DockerErrorType::timeout;
  return {.type = type, .code = 0, .message = error.what(), .recoverable = type == DockerErrorType::timeout};
}

template <typename F>
auto without_throwing(F function) -> Result<decltype(function())> {
  try {
    return function();
  } catch (...) {
    return local_failure(current_error());
  }
}

}  // namespace

Result<DiscoveredEndpoint> discover_endpoint(const HostEnvironment& environment, const DiscoveryOptions& options) {
  return without_throwing([&] { return find_endpoint(environment, options); });
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  return without_throwing([&] { return endpoint_of_text(text); });
}

Result<std::string> registry_key_of_image(std::string_view image_reference) {
  return without_throwing([&] { return registry_key_of_reference(image_reference); });
}

Result<RegistryCredentials> CredentialStore::blocking_get(std::string_view server_address) const {
  return without_throwing([&] { return blocking_find_credentials(environment_, registry_key(server_address)); });
}

Result<RegistryCredentials> CredentialStore::blocking_get_for_image(std::string_view image_reference) const {
  return without_throwing([&] { return blocking_find_credentials(environment_, registry_key_of_reference(image_reference)); });
}

Result<std::map<std::string, RegistryCredentials>> CredentialStore::blocking_get_all() const {
  return without_throwing([&] { return blocking_list_credentials(environment_); });
}

}  // namespace sockerless
