#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sockerless::oci {

/// A WWW-Authenticate header. Source: RFC 9110 11.6.1.
struct RegistryChallenge {
  std::string scheme;                             ///< lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;  ///< names in lower case

  /// The first challenge of the header that a registry client knows; nothing when there is none.
  static std::optional<RegistryChallenge> find(std::string_view header);
  std::string parameter(const std::string& name) const;
};

/// Who asks. Empty members are not there.
struct RegistryCredentials {
  std::string username;
  std::string password;
  std::string identity_token;  ///< exchanged for tokens at the token server
  std::string registry_token;  ///< sent to the registry as it is

  bool has_password() const { return !username.empty() || !password.empty(); }
};

/// What a registry's refusal means: "unauthorized: authentication required". Status, code and message of the first error in the body.
struct RegistryRefusal {
  int status = 0;
  std::string code;  ///< "MANIFEST_UNKNOWN"; empty: the body said nothing that can be read
  std::string message;

  static RegistryRefusal read(int status, const std::string& body);
  /// In the words of Docker's client library.
  std::string text() const;
};

}  // namespace sockerless::oci
