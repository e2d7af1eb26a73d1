// The `filters` parameter: refused, or the same after being written and read again; matching never fails.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/filters.hpp"
#include "base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using sockerless::api::Filters;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Filters filters;
  try {
    filters = Filters::parse(text);
  } catch (const sockerless::Error& error) {
    SOCKERLESS_ASSERT(error.code() == sockerless::ErrorCode::invalid_argument, "a bad filter is the client's mistake");
    return 0;
  }
  const Filters again = Filters::parse(filters.to_json());
  SOCKERLESS_ASSERT(again.items().size() == filters.items().size(), "writing what was read loses no key");
  SOCKERLESS_ASSERT(Filters::parse(again.to_json()) == again, "a written filter reads back as itself");
  for (const auto& [key, values] : filters.items()) {
    filters.match_labels({{"app", "web"}, {key, values.empty() ? "" : values.front()}});
    for (const std::string_view name : {"/web", "/my_web-1", ""}) filters.name_match(key, name);
    SOCKERLESS_ASSERT(values.empty() || filters.exact_match(key, values.front()), "a value matches itself");
  }
  return 0;
}
