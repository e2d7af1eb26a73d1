#include "frontend/call.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

#include "base/base64.hpp"
#include "base/error.hpp"

namespace sockerless::frontend {

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

}  // namespace sockerless::frontend
