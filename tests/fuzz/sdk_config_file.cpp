// config.json: refused with a message that repeats no secret, or read to credentials that can be sent.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "sdk/config_file.hpp"
#include "sockerless/credentials.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sockerless;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ConfigFile file;
  try {
    file = parse_config_file(text, "config.json");
  } catch (const Error& error) {
    SOCKERLESS_ASSERT(error.code() == ErrorCode::invalid_argument, "a bad file is its owner's mistake");
    SOCKERLESS_ASSERT(error.message().starts_with("config.json: "), "the message names the file");
    SOCKERLESS_ASSERT(!error.message().contains("SECRET"), "the message repeats no secret");
    return 0;
  }
  for (const auto& [server, auth] : file.auths) {
    const RegistryCredentials credentials{.server_address = registry_key(server), .username = auth.username, .password = auth.password};
    const std::string header = encode_registry_auth(credentials).reveal();
    SOCKERLESS_ASSERT(header.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=") == std::string::npos,
                      "a header is one line of its alphabet");
  }
  return 0;
}
