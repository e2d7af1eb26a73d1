#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace sockerless::api {

/// Gives the value of a request header by its name, "" where there is none.
using HeaderLookup = std::function<std::string(std::string_view name)>;
/// Header fields that a request carries.
using HeaderValues = std::vector<std::pair<std::string, std::string>>;

/// A percent-decoded copy of a path segment or query text. @errors invalid_argument: `invalid URL escape "%zz"`.
std::string percent_decode(std::string_view text);

/// The parameters of a query string, by Go's and Docker's rules.
class Query {
 public:
  Query() = default;
  /// `raw` is what follows the question mark. @errors invalid_argument: a malformed escape, a semicolon as separator.
  static Query parse(std::string_view raw);

  bool contains(std::string_view name) const;
  /// The first value, "" when absent.
  std::string_view text(std::string_view name) const;
  /// The first value, `fallback` when absent or empty.
  std::string text_or(std::string_view name, std::string_view fallback) const;
  /// Every value of a repeated parameter, in order.
  std::vector<std::string> all(std::string_view name) const;
  /// Docker's rule: "", 0, no, false and none in any case are false, all else is true; absent is false.
  bool boolean(std::string_view name) const;
  bool boolean_or(std::string_view name, bool absent) const;
  /// Go's strconv.ParseBool where Docker uses it. @errors invalid_argument: another word.
  bool strict_boolean(std::string_view name) const;
  /// nullopt when absent or empty. @errors invalid_argument: in the words of Go's strconv.Atoi.
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::int64_t required_integer(std::string_view name) const;
  /// Unix seconds or RFC 3339; nullopt when absent or empty.
  std::optional<TimePoint> time(std::string_view name) const;
  /// The same where "0" means that no time was given (since and until of logs).
  std::optional<TimePoint> log_time(std::string_view name) const;
  /// The lines of `tail`; nullopt for all of them, which is also what dockerd makes of a text that is no number.
  std::optional<std::uint64_t> tail(std::string_view name) const;

  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

}  // namespace sockerless::api
