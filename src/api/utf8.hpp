#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sockerless::api {

/// The length (1 to 4) of the valid UTF-8 sequence at the start of `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text);

/// Appends a code point; what is not one (a surrogate, beyond 10FFFF) becomes U+FFFD.
void append_utf8(std::string& out, std::uint32_t code_point);

}  // namespace sockerless::api
