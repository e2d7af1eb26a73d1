#include "api/filters.hpp"

#include <algorithm>
#include <optional>

#include <boost/regex.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/json.hpp"
#include "base/error.hpp"

namespace sockerless::api {

namespace {

void read_values(JsonReader& reader, std::vector<std::string>& values, bool& has_maps, bool& has_lists) {
  if (reader.next_is('[')) {
    has_lists = true;
    read_json(reader, values);
  } else {
    has_maps = true;
    std::map<std::string, bool> flags;
    read_json(reader, flags);
    for (const auto& [value, wanted] : flags) {
      if (wanted) values.push_back(value);
    }
  }
}

}  // namespace

// --- names ---------------------------------------------------------------------------------------------------------------------------

// The pattern is a client's, so the engine must not recurse on it: Boost.Regex keeps its stack on the heap and gives up, by an exception,
// on a match that grows too complex. std::regex would overflow ours.
struct NameMatcher::Pattern {
  explicit Pattern(const std::string& pattern) : text(pattern), plain(pattern.find_first_of("\\^$.|?*+()[]{}") == std::string::npos) {
    if (plain) return;
    try {
      expression.emplace(text, boost::regex::perl);
    } catch (const std::exception&) {
      expression.reset();  // dockerd skips what is no expression; a name can still be equal to it.
    }
  }

  bool matches(std::string_view name) {
    if (text == name) return true;
    if (plain) return name.find(text) != std::string_view::npos;
    if (!expression) return false;
    try {
      return boost::regex_search(name.begin(), name.end(), *expression);
    } catch (const std::exception&) {
      expression.reset();
      return false;
    }
  }

  std::string text;
  bool plain;
  std::optional<boost::regex> expression;
};

NameMatcher::NameMatcher(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) patterns_.emplace_back(text);
}

NameMatcher::~NameMatcher() = default;
NameMatcher::NameMatcher(NameMatcher&&) noexcept = default;
NameMatcher& NameMatcher::operator=(NameMatcher&&) noexcept = default;

bool NameMatcher::matches(std::string_view name) {
  return patterns_.empty() || std::ranges::any_of(patterns_, [&](Pattern& pattern) { return pattern.matches(name); });
}

// --- filters -------------------------------------------------------------------------------------------------------------------------

Filters Filters::parse(std::string_view json) {
  Filters filters;
  if (json.empty()) return filters;
  bool has_maps = false;
  bool has_lists = false;
  try {
    JsonReader reader(json);
    if (!reader.read_null()) {
      reader.read_object("filters", [&](std::string_view key) {
        std::vector<std::string>& values = filters.values_[std::string(key)];
        values.clear();
        read_values(reader, values, has_maps, has_lists);
      });
    }
    reader.finish();
  } catch (const Error& error) {
    throw Error::invalid_argument("invalid filter").with_detail(error.message());
  }
  if (has_maps && has_lists) throw Error::invalid_argument("invalid filter").with_detail("both forms in one parameter");
  return filters;
}

bool Filters::exact_match(std::string_view key, std::string_view value) const {
  const std::vector<std::string>& values = get(key);
  return values.empty() || std::ranges::find(values, value) != values.end();
}

bool Filters::prefix_match(std::string_view key, std::string_view value) const {
  const std::vector<std::string>& values = get(key);
  return values.empty() || std::ranges::any_of(values, [&](const std::string& prefix) { return value.starts_with(prefix); });
}

bool Filters::name_match(std::string_view key, std::string_view value) const { return name_matcher(key).matches(value); }

bool Filters::match_kv_list(std::string_view key, const std::map<std::string, std::string>& entries) const {
  return std::ranges::all_of(get(key), [&](const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto found = entries.find(wanted.substr(0, equals));
    if (found == entries.end()) return false;
    return equals == std::string::npos || found->second == std::string_view(wanted).substr(equals + 1);
  });
}

bool Filters::match_labels(const std::map<std::string, std::string>& labels) const {
  if (!match_kv_list("label", labels)) return false;
  return get("label!").empty() || !match_kv_list("label!", labels);
}

bool Filters::boolean_or(std::string_view key, bool absent) const {
  if (!contains(key)) return absent;
  const std::vector<std::string>& values = get(key);
  const auto has = [&](std::string_view word) { return std::ranges::find(values, word) != values.end(); };
  const bool yes = has("1") || has("true");
  const bool no = has("0") || has("false");
  if (values.empty()) throw Error::invalid_argument("invalid filter '{}'", key);
  if (yes == no) throw Error::invalid_argument("invalid filter '{}=[{}]'", key, fmt::join(values, " "));
  return yes;
}

void Filters::validate(std::initializer_list<std::string_view> accepted) const {
  for (const auto& [key, values] : values_) {
    if (std::ranges::find(accepted, std::string_view(key)) == accepted.end()) throw Error::invalid_argument("invalid filter '{}'", key);
  }
}

}  // namespace sockerless::api

namespace sockerless {

namespace {

const std::vector<std::string> kNone;

}  // namespace

const std::vector<std::string>& Filters::get(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? kNone : found->second;
}

void Filters::add(std::string_view key, std::string_view value) {
  std::vector<std::string>& values = values_[std::string(key)];
  if (std::ranges::find(values, value) == values.end()) values.emplace_back(value);
}

void Filters::remove(std::string_view key) {
  const auto found = values_.find(key);
  if (found != values_.end()) values_.erase(found);
}

std::string Filters::to_json() const {
  std::string out;
  if (values_.empty()) return out;
  api::JsonWriter writer(out);
  writer.begin_object();
  for (const auto& [key, values] : values_) {
    writer.key(key);
    writer.begin_object();
    for (const std::string& value : values) {
      writer.key(value);
      writer.raw("true");
    }
    writer.end_object();
  }
  writer.end_object();
  return out;
}

}  // namespace sockerless
