#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "sockerless/host_environment.hpp"

// Internal to sdk/: the docker command's own configuration file.
namespace sockerless {

/// What is used of config.json. Names of members in any case and unknown members are as Go's JSON has them.
struct ConfigFile {
  struct Auth {
    std::string username;
    Secret<std::string> password;
    Secret<std::string> identity_token;
    Secret<std::string> registry_token;
  };

  std::string directory;  ///< $DOCKER_CONFIG or ~/.docker; empty: there is no home
  std::string path;       ///< of config.json, which may not exist
  std::string current_context;
  std::string creds_store;
  std::map<std::string, std::string> cred_helpers;
  std::map<std::string, Auth> auths;
};

/// $DOCKER_CONFIG, else ~/.docker, else empty.
std::string config_directory(const HostEnvironment& environment);

/// @errors invalid_argument: malformed. forbidden, internal: cannot be read. The message names the file and never a secret. A file that
/// does not exist is empty.
ConfigFile read_config_file(const HostEnvironment& environment);

/// Reads the text of a config.json, for DOCKER_AUTH_CONFIG too. @param name  what messages call it.
ConfigFile parse_config_file(std::string_view text, std::string_view name);

}  // namespace sockerless
