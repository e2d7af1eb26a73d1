#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sockerless/filters.hpp"

namespace sockerless::api {

/// Matches a name against the patterns of one filter: equal to one, or found by one as a regular expression. Compiled once for a list.
class NameMatcher {
 public:
  explicit NameMatcher(const std::vector<std::string>& patterns);
  ~NameMatcher();
  NameMatcher(NameMatcher&&) noexcept;
  NameMatcher& operator=(NameMatcher&&) noexcept;

  /// True also when there are no patterns. A pattern that grows too complex on one name is not tried on the next.
  bool matches(std::string_view name);

 private:
  struct Pattern;
  std::vector<Pattern> patterns_;
};

/// The `filters` parameter as a daemon reads it. The rules of matching are dockerd's (api/types/filters).
class Filters : public sockerless::Filters {
 public:
  using sockerless::Filters::Filters;
  Filters() = default;
  Filters(sockerless::Filters asked_for) : sockerless::Filters(std::move(asked_for)) {}

  /// Both forms: {"key":{"value":true}} and the older {"key":["value"]}; "" is no filter. @errors invalid_argument: "invalid filter".
  static Filters parse(std::string_view json);

  /// True when nothing was asked of the key, or the value is one of those asked for.
  bool exact_match(std::string_view key, std::string_view value) const;
  /// The same with one of those asked for being the beginning of the value.
  bool prefix_match(std::string_view key, std::string_view value) const;
  /// The same with those asked for as regular expressions, which find the value when they match anywhere in it.
  bool name_match(std::string_view key, std::string_view value) const;
  NameMatcher name_matcher(std::string_view key) const { return NameMatcher(get(key)); }
  /// True when each value asked for, `key` or `key=value`, is among the entries.
  bool match_kv_list(std::string_view key, const std::map<std::string, std::string>& entries) const;
  /// `label` must match and `label!` must not.
  bool match_labels(const std::map<std::string, std::string>& labels) const;
  /// A yes/no filter (dangling, is-task). @errors invalid_argument: neither true nor false, or both.
  bool boolean_or(std::string_view key, bool absent) const;

  /// @errors invalid_argument: `invalid filter 'x'` for a key that is not accepted.
  void validate(std::initializer_list<std::string_view> accepted) const;

  bool operator==(const Filters&) const = default;
};

}  // namespace sockerless::api
