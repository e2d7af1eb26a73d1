#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sockerless {

enum class Base64Alphabet { standard, url };

/// With padding.
std::string encode_base64(std::string_view bytes, Base64Alphabet alphabet = Base64Alphabet::standard);
/// Either alphabet, padding optional; nothing for malformed text.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sockerless
