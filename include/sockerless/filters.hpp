#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sockerless {

/// The `filters` parameter of lists, prunes and events: for each key the values that are asked for.
///
///   api::ContainerListParams params{.all = true, .filters = {{"status", "running"}, {"label", "team=a"}}};
class Filters {
 public:
  Filters() = default;
  Filters(std::initializer_list<std::pair<std::string_view, std::string_view>> asked_for) {
    for (const auto& [key, value] : asked_for) add(key, value);
  }

  bool empty() const { return values_.empty(); }
  bool contains(std::string_view key) const { return values_.contains(key); }
  /// The values of a key, none when it is absent.
  const std::vector<std::string>& get(std::string_view key) const;
  void add(std::string_view key, std::string_view value);
  void remove(std::string_view key);

  /// {"key":{"value":true}}; "" when there is no filter.
  std::string to_json() const;

  const std::map<std::string, std::vector<std::string>, std::less<>>& items() const { return values_; }
  bool operator==(const Filters&) const = default;

 protected:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

}  // namespace sockerless
