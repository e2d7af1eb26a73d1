#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace sockerless::api {

/// A version of the API: the `1.44` of /v1.44/info.
struct ApiVersion {
  int major = 0;
  int minor = 0;

  auto operator<=>(const ApiVersion&) const = default;

  /// Digits, a dot, digits.
  static std::optional<ApiVersion> find(std::string_view text);
  /// @errors invalid_argument: not a version.
  static ApiVersion parse(std::string_view text);
  std::string str() const;
};

/// The oldest version that is spoken, and the one that is spoken where nobody asks for another.
inline constexpr ApiVersion kMinApiVersion{1, 24};
inline constexpr ApiVersion kDefaultApiVersion{1, 51};

/// @errors invalid_argument: `requested` is outside the range, in dockerd's words.
void check_api_version(ApiVersion requested, ApiVersion minimum = kMinApiVersion, ApiVersion maximum = kDefaultApiVersion);

}  // namespace sockerless::api
