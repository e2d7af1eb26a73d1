#include "engine/attach_keys.hpp"

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kDefaultKeys = "\x10\x11";

char key_of(std::string_view key, std::string_view text) {
  constexpr std::string_view kControl = "ctrl-";
  if (key.size() == 1) return key.front();
  if (key.size() == kControl.size() + 1 && key.starts_with(kControl)) {
    const char c = key.back();
    if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
    if (c == '@') return '\0';
    if (c >= '[' && c <= '_') return static_cast<char>(c - '[' + 27);
  }
  throw Error::invalid_argument("Invalid detach keys ({}) provided", text);
}

}  // namespace

std::string parse_detach_keys(std::string_view text) {
  if (text.empty()) return std::string(kDefaultKeys);
  std::string keys;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    keys += key_of(rest.substr(0, comma), text);
    if (comma == std::string_view::npos) return keys;
    rest.remove_prefix(comma + 1);
  }
}

bool DetachScanner::scan(std::span<const std::byte> input, std::vector<std::byte>& out) {
  for (const std::byte byte : input) {
    if (std::to_integer<char>(byte) == keys_[matched_]) {
      if (++matched_ < keys_.size()) continue;
      matched_ = 0;
      return true;
    }
    // The shortest prefix that can be let go: the rest may still begin the sequence together with this byte.
    std::string seen = keys_.substr(0, matched_) + std::to_integer<char>(byte);
    matched_ = 0;
    std::size_t start = 0;
    while (start < seen.size() && !keys_.starts_with(std::string_view(seen).substr(start))) ++start;
    for (std::size_t i = 0; i < start; ++i) out.push_back(static_cast<std::byte>(seen[i]));
    matched_ = seen.size() - start;
  }
  return false;
}

}  // namespace sockerless
