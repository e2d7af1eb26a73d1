// A body of POST /containers/create: whatever it is, it is refused or reads back as what was written of it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/types_json.hpp"
#include "base/error.hpp"

namespace api = sockerless::api;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  api::ContainerCreateRequest request;
  try {
    request = api::parse_json<api::ContainerCreateRequest>(text);
  } catch (const sockerless::Error& error) {
    SOCKERLESS_ASSERT(error.code() == sockerless::ErrorCode::invalid_argument, "a bad body is the client's mistake");
    return 0;
  }
  const std::string written = api::to_json(request);
  const std::string again = api::to_json(api::parse_json<api::ContainerCreateRequest>(written));
  SOCKERLESS_ASSERT(again == written, "writing what was read changes nothing");
  return 0;
}
