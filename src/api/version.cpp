#include "api/version.hpp"

#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::api {

namespace {

std::optional<int> find_number(std::string_view text) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ApiVersion> ApiVersion::find(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto major = find_number(text.substr(0, dot));
  const auto minor = find_number(text.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return ApiVersion{*major, *minor};
}

ApiVersion ApiVersion::parse(std::string_view text) {
  const auto version = find(text);
  if (!version) throw Error::invalid_argument("invalid API version: {}", text);
  return *version;
}

std::string ApiVersion::str() const { return fmt::format("{}.{}", major, minor); }

void check_api_version(ApiVersion requested, ApiVersion minimum, ApiVersion maximum) {
  if (requested < minimum) {
    throw Error::invalid_argument(
        "client version {} is too old. Minimum supported API version is {}, please upgrade your client to a newer version", requested.str(),
        minimum.str());
  }
  if (requested > maximum) {
    throw Error::invalid_argument("client version {} is too new. Maximum supported API version is {}", requested.str(), maximum.str());
  }
}

}  // namespace sockerless::api
