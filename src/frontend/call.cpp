#include "frontend/call.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

#include "base/error.hpp"

namespace sockerless::frontend {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  if (c == '-') c = '+';
  if (c == '_') c = '/';
  const std::size_t at = kAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string Call::header(std::string_view name) const { return std::string(exchange.request().headers.find(name).value_or("")); }

Task<void> reply_text(Call& call, int status, std::string json) {
  json.push_back('\n');
  return call.exchange.respond(status, {{"Content-Type", "application/json"}}, std::move(json));
}

Task<void> reply_empty(Call& call, int status) { return call.exchange.respond(status, {}, {}); }

void check_json_content_type(const Call& call) {
  const std::string type = call.header("Content-Type");
  std::string media = type.substr(0, type.find(';'));
  while (!media.empty() && media.back() == ' ') media.pop_back();
  std::ranges::transform(media, media.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (media.empty()) throw Error::invalid_argument("malformed Content-Type header ({}): mime: no media type", type);
  if (media != "application/json") throw Error::invalid_argument("unsupported Content-Type header ({}): must be 'application/json'", type);
}

TerminalSize terminal_size(std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kMax = std::numeric_limits<std::uint16_t>::max();
  if (height < 0 || width < 0 || height > kMax || width > kMax)
    throw Error::invalid_argument("invalid terminal size: {}x{}", width, height);
  return {.height = static_cast<std::uint16_t>(height), .width = static_cast<std::uint16_t>(width)};
}

Task<std::string> read_json_text(Call& call) {
  net::Exchange& exchange = call.exchange;
  const bool typed = exchange.request().headers.contains("Content-Type");
  if (!exchange.has_body()) {
    if (typed) check_json_content_type(call);
    co_return std::string();
  }
  const auto length = exchange.request().headers.find("Content-Length");
  if (typed || length != "0") check_json_content_type(call);
  co_return co_await exchange.read_body(call.options.json_body_limit);
}

std::optional<api::AuthConfig> registry_auth(const Call& call) {
  const std::string header = call.header("X-Registry-Auth");
  if (header.empty()) return std::nullopt;
  const auto json = decode_base64(header);
  if (!json || json->empty()) return std::nullopt;
  try {
    api::AuthConfig auth = api::parse_json<api::AuthConfig>(*json);
    if (auth == api::AuthConfig{}) return std::nullopt;
    return auth;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    unsigned value = 0;
    for (std::size_t i = 0; i < 3; ++i) value = value << 8U | (i < three.size() ? static_cast<unsigned char>(three[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= three.size() ? kAlphabet[value >> (18 - 6 * i) & 63U] : '=');
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  unsigned value = 0;
  int bits = 0;
  for (const char c : text) {
    const int six = base64_value(c);
    if (six < 0) return std::nullopt;
    value = (value << 6U | static_cast<unsigned>(six)) & 0xFFFFU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(value >> bits & 0xFFU));
    }
  }
  return out;
}

}  // namespace sockerless::frontend
