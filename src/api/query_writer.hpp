#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "sockerless/filters.hpp"

namespace sockerless::api {

/// Everything but letters, digits and -._~ as %XX: for a path segment or a query's text.
std::string percent_encode(std::string_view text);
/// The same with slashes left alone: the name of an image in a path.
std::string percent_encode_path(std::string_view text);

/// Writes the query string that Query reads. What has its default value is left out, so that an older daemon sees only what was asked for.
class QueryWriter {
 public:
  void text(std::string_view name, std::string_view value, std::string_view absent = {});
  void all(std::string_view name, const std::vector<std::string>& values);
  void boolean(std::string_view name, bool value);
  void boolean_or_true(std::string_view name, bool value);
  void required_integer(std::string_view name, std::int64_t value);
  template <typename T>
  void integer(std::string_view name, const std::optional<T>& value) {
    if (value) append(name, std::to_string(*value));
  }
  /// Unix seconds with nine digits of fraction.
  void time(std::string_view name, const std::optional<TimePoint>& value);
  void filters(std::string_view name, const sockerless::Filters& value);

  std::string str() && { return std::move(text_); }

 private:
  void append(std::string_view name, std::string_view value);

  std::string text_;
};

}  // namespace sockerless::api
