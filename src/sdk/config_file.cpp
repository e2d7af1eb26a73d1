#include "sdk/config_file.hpp"

#include <algorithm>
#include <cerrno>

#include "api/json.hpp"
#include "base/base64.hpp"
#include "base/error.hpp"

namespace sockerless {

namespace {

bool same_name(std::string_view name, std::string_view lower_case) {
  return std::ranges::equal(name, lower_case, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

void skip_value(api::JsonReader& reader) {
  api::RawJson unused;
  reader.read(unused);
}

void read_text(api::JsonReader& reader, std::string& text) {
  if (!reader.read_null()) reader.read(text);
}

/// The member `auth` is base64 of user:password.
void decode_auth(std::string_view server, const std::string& encoded, ConfigFile::Auth& auth) {
  const auto decoded = decode_base64(encoded);
  const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0) {
    throw Error::invalid_argument("the \"auth\" of \"{}\" is not the base64 of user:password", server);
  }
  auth.username = decoded->substr(0, colon);
  std::string password = decoded->substr(colon + 1);
  while (password.ends_with('\0')) password.pop_back();  // old versions of the docker command padded with zeros
  auth.password = Secret(std::move(password));
}

ConfigFile::Auth read_auth(api::JsonReader& reader, std::string_view server) {
  ConfigFile::Auth auth;
  std::string encoded;
  if (reader.read_null()) return auth;
  reader.read_object("types.AuthConfig", [&](std::string_view name) {
    std::string value;
    if (same_name(name, "auth")) return read_text(reader, encoded);
    if (same_name(name, "username")) return read_text(reader, auth.username);
    const bool is_password = same_name(name, "password");
    const bool is_identity = same_name(name, "identitytoken");
    if (!is_password && !is_identity && !same_name(name, "registrytoken")) return skip_value(reader);
    Secret<std::string>& secret = is_password ? auth.password : (is_identity ? auth.identity_token : auth.registry_token);
    read_text(reader, value);
    secret = Secret(std::move(value));
  });
  if (!encoded.empty()) decode_auth(server, encoded, auth);
  return auth;
}

void read_member(api::JsonReader& reader, std::string_view name, ConfigFile& file) {
  if (same_name(name, "currentcontext")) return read_text(reader, file.current_context);
  if (same_name(name, "credsstore")) return read_text(reader, file.creds_store);
  if (same_name(name, "credhelpers")) return api::read_json(reader, file.cred_helpers);
  if (!same_name(name, "auths")) return skip_value(reader);
  if (reader.read_null()) return;
  reader.read_object("map[string]types.AuthConfig", [&](std::string_view key) {
    const std::string server(key);
    file.auths[server] = read_auth(reader, server);
  });
}

}  // namespace

std::string config_directory(const HostEnvironment& environment) {
  if (const auto directory = environment.variable("DOCKER_CONFIG"); directory && !directory->empty()) return *directory;
  const std::string home = environment.home_directory();
  return home.empty() ? std::string() : home + "/.docker";
}

ConfigFile parse_config_file(std::string_view text, std::string_view name) {
  ConfigFile file;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return file;
  try {
    api::JsonReader reader(text);
    if (!reader.read_null()) reader.read_object("configfile.ConfigFile", [&](std::string_view key) { read_member(reader, key, file); });
    reader.finish();
  } catch (const Error& error) {
    throw Error::invalid_argument("{}: {}", name, error.message());
  }
  return file;
}

ConfigFile read_config_file(const HostEnvironment& environment) {
  const std::string directory = config_directory(environment);
  ConfigFile file;
  if (!directory.empty()) {
    const std::string path = directory + "/config.json";
    const auto text = environment.read_file(path);
    if (!text && text.error() != ENOENT && text.error() != ENOTDIR) throw from_errno(text.error(), "read " + path);
    if (text) file = parse_config_file(*text, path);
    file.path = path;
  }
  file.directory = directory;
  return file;
}

}  // namespace sockerless
