#include "sdk/credential_lookup.hpp"

#include <algorithm>
#include <optional>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "sdk/config_file.hpp"

namespace sockerless {

namespace {

constexpr std::chrono::seconds kHelperTimeout{30};
constexpr std::string_view kTokenUser = "<token>";
constexpr std::string_view kNotFound = "credentials not found in native keychain";

Logger& log() {
  static Logger logger("credentials");
  return logger;
}

/// "https://ghcr.io/v2/" is ghcr.io, "localhost:5000" stays.
std::string_view host_part(std::string_view address) {
  if (const std::size_t scheme = address.find("://"); scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
  return address.substr(0, address.find('/'));
}

RegistryCredentials credentials_of(std::string_view server, const ConfigFile::Auth& auth) {
  return {.server_address = std::string(server),
          .username = auth.username,
          .password = auth.password,
          .identity_token = auth.identity_token,
          .registry_token = auth.registry_token};
}

/// By its key, or by a key that an old docker command wrote as a URL.
std::optional<RegistryCredentials> find_in(const std::map<std::string, ConfigFile::Auth>& auths, const std::string& key) {
  if (const auto it = auths.find(key); it != auths.end()) return credentials_of(key, it->second);
  for (const auto& [server, auth] : auths) {
    if (host_part(server) == key) return credentials_of(server, auth);
  }
  return std::nullopt;
}

/// A name from a file becomes the name of a program: only one without a folder in it may.
std::string find_helper(const HostEnvironment& environment, const std::string& helper, const std::string& config_path) {
  const bool plain = std::ranges::all_of(helper, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!plain) throw Error::invalid_argument("{} names the credential helper \"{}\", which cannot be a program's name", config_path, helper);
  const std::string program = "docker-credential-" + helper;
  const std::string path = find_program(program, environment.variable("PATH").value_or(""));
  if (path.empty())
    throw Error::not_found("{} names the credential helper \"{}\", but there is no {} in PATH", config_path, helper, program);
  return path;
}

std::string one_line(std::string_view text) {
  const std::size_t end = text.find_first_of("\r\n");
  return std::string(text.substr(0, std::min(end, std::size_t{300})));
}

/// Runs a helper with one action. @return what it printed; nullopt: it does not know the server.
/// A helper reports failures on standard output, where secrets stand otherwise: only what came with a failure is repeated.
std::optional<std::string> blocking_ask_helper(const std::string& program, const std::string& action, std::string_view input) {
  if (input.size() > 4096) throw Error::invalid_argument("the registry's address is too long for a credential helper");
  const ProgramResult result = blocking_run_program({program, action}, kHelperTimeout, input);
  if (result.timed_out) throw Error::deadline_exceeded("{} {} did not end within {} s", program, action, kHelperTimeout.count());
  if (result.exit_code == 0) return result.output;
  if (one_line(result.output) == kNotFound) return std::nullopt;
  const std::string words = one_line(result.output.empty() ? result.error : result.output);
  throw Error::unavailable("{} {} failed with exit code {}{}{}", program, action, result.exit_code, words.empty() ? "" : ": ", words);
}

RegistryCredentials parse_helper_answer(const std::string& program, const std::string& key, const std::string& answer) {
  RegistryCredentials found{.server_address = key};
  std::string secret;
  try {
    api::JsonReader reader(answer);
    reader.read_object("credentials.Credentials", [&](std::string_view name) {
      api::RawJson unused;
      if (name == "Username") return api::read_json(reader, found.username);
      if (name == "Secret") return api::read_json(reader, secret);
      reader.read(unused);
    });
    reader.finish();
  } catch (const Error& error) {
    throw Error::unavailable("{} get answered something else than credentials: {}", program, error.message());
  }
  if (found.username == kTokenUser) {
    found.username.clear();
    found.identity_token = Secret(std::move(secret));
  } else {
    found.password = Secret(std::move(secret));
  }
  return found;
}

RegistryCredentials blocking_get_from_helper(const HostEnvironment& environment, const ConfigFile& config, const std::string& helper,
                                             const std::string& key) {
  const std::string program = find_helper(environment, helper, config.path);
  const auto answer = blocking_ask_helper(program, "get", key);
  return answer ? parse_helper_answer(program, key, *answer) : RegistryCredentials{.server_address = key};
}

RegistryCredentials blocking_get_configured(const HostEnvironment& environment, const ConfigFile& config, const std::string& key) {
  const auto own = config.cred_helpers.find(key);
  const std::string& helper = own != config.cred_helpers.end() ? own->second : config.creds_store;
  if (!helper.empty()) return blocking_get_from_helper(environment, config, helper, key);
  return find_in(config.auths, key).value_or(RegistryCredentials{.server_address = key});
}

std::map<std::string, ConfigFile::Auth> auths_of_variable(const HostEnvironment& environment) {
  const std::string text = environment.variable("DOCKER_AUTH_CONFIG").value_or("");
  return text.empty() ? std::map<std::string, ConfigFile::Auth>() : parse_config_file(text, "DOCKER_AUTH_CONFIG").auths;
}

/// The servers that the default store knows.
std::map<std::string, std::string> blocking_list_servers(const std::string& program) {
  const auto answer = blocking_ask_helper(program, "list", {});
  if (!answer || answer->find_first_not_of(" \t\r\n") == std::string::npos) return {};
  try {
    return api::parse_json<std::map<std::string, std::string>>(*answer);
  } catch (const Error& error) {
    throw Error::unavailable("{} list answered something else than a list: {}", program, error.message());
  }
}

}  // namespace

std::string registry_key_of_reference(std::string_view image_reference) {
  return registry_key(api::ImageReference::parse(image_reference).domain());
}

RegistryCredentials blocking_find_credentials(const HostEnvironment& environment, const std::string& key) {
  if (auto found = find_in(auths_of_variable(environment), key)) return std::move(*found);
  return blocking_get_configured(environment, read_config_file(environment), key);
}

std::map<std::string, RegistryCredentials> blocking_list_credentials(const HostEnvironment& environment) {
  const ConfigFile config = read_config_file(environment);
  std::map<std::string, RegistryCredentials> all;
  if (config.creds_store.empty()) {
    for (const auto& [server, auth] : config.auths) all[server] = credentials_of(server, auth);
  } else {
    for (const auto& [server, user] : blocking_list_servers(find_helper(environment, config.creds_store, config.path))) {
      all[server] = blocking_get_from_helper(environment, config, config.creds_store, server);
    }
  }
  for (const auto& [server, helper] : config.cred_helpers) {
    try {
      all[server] = blocking_get_from_helper(environment, config, helper, server);
    } catch (const Error& error) {
      log().warn("no credentials for a registry server={} error={}", server, error.what());
    }
  }
  for (const auto& [server, auth] : auths_of_variable(environment)) all[server] = credentials_of(server, auth);
  std::erase_if(all, [](const auto& entry) { return entry.second.is_anonymous(); });
  return all;
}

}  // namespace sockerless
