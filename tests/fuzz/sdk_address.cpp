// DOCKER_HOST: refused, or an endpoint that reads back as itself; and no ssh address becomes an option or anything that a shell could read.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "sdk/discovery.hpp"
#include "sdk/ssh_target.hpp"

namespace {

using namespace sockerless;

void check_command(const Endpoint& endpoint) {
  const auto command = ssh_command("/usr/bin/ssh", endpoint, 30);
  bool operands = false;
  for (const std::string& argument : command) {
    SOCKERLESS_ASSERT(!operands || argument == "--host" || !argument.starts_with('-'), "nothing behind -- is an option");
    operands |= argument == "--";
    SOCKERLESS_ASSERT(argument.find_first_of(" \t\r\n;&|<>()$`\\\"'*?[]{}~#!%") == std::string::npos, "a shell finds nothing to read");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Endpoint endpoint;
  try {
    endpoint = endpoint_of_text(text);
  } catch (const Error& error) {
    SOCKERLESS_ASSERT(error.code() == ErrorCode::invalid_argument, "a bad address is its writer's mistake");
    return 0;
  }
  if (endpoint.kind == Endpoint::Kind::ssh) check_command(endpoint);
  Endpoint again = endpoint_of_text(endpoint.str());
  if (endpoint.kind == Endpoint::Kind::tls) again.kind = Endpoint::Kind::tls;  // TLS is not part of an address
  SOCKERLESS_ASSERT(again == endpoint, "a written address reads back as itself");
  return 0;
}
