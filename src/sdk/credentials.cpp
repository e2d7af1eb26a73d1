#include "sockerless/credentials.hpp"

#include <array>

#include "api/json.hpp"
#include "base/base64.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kHub = "https://index.docker.io/v1/";
constexpr std::array<std::string_view, 2> kHubHosts = {"docker.io", "index.docker.io"};

void write_credentials(api::JsonWriter& writer, const RegistryCredentials& credentials) {
  const auto member = [&writer](std::string_view raw_name, const std::string& value) {
    if (!value.empty()) writer.member(raw_name, value);
  };
  writer.begin_object();
  member("\"username\":", credentials.username);
  member("\"password\":", credentials.password.reveal());
  member("\"serveraddress\":", credentials.server_address);
  member("\"identitytoken\":", credentials.identity_token.reveal());
  member("\"registrytoken\":", credentials.registry_token.reveal());
  writer.end_object();
}

}  // namespace

bool RegistryCredentials::is_anonymous() const {
  return username.empty() && password.reveal().empty() && identity_token.reveal().empty() && registry_token.reveal().empty();
}

std::string registry_key(std::string_view server_address) {
  if (const std::size_t scheme = server_address.find("://"); scheme != std::string_view::npos) server_address.remove_prefix(scheme + 3);
  const std::string_view host = server_address.substr(0, server_address.find('/'));
  for (const std::string_view hub : kHubHosts) {
    if (host == hub) return std::string(kHub);
  }
  return host.empty() ? std::string(kHub) : std::string(host);
}

Secret<std::string> encode_registry_auth(const RegistryCredentials& credentials) {
  std::string json;
  api::JsonWriter writer(json);
  if (credentials.is_anonymous()) {
    json = "{}";
  } else {
    write_credentials(writer, credentials);
  }
  return Secret(encode_base64(json, Base64Alphabet::url));
}

Secret<std::string> encode_registry_config(const std::map<std::string, RegistryCredentials>& all) {
  std::string json;
  api::JsonWriter writer(json);
  writer.begin_object();
  for (const auto& [server, credentials] : all) {
    writer.key(server);
    write_credentials(writer, credentials);
  }
  writer.end_object();
  return Secret(encode_base64(json, Base64Alphabet::url));
}

}  // namespace sockerless
