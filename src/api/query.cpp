#include "api/query.hpp"

#include <charconv>

#include "base/error.hpp"

namespace sockerless::api {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { is_space, is_plus };

std::string unescape(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::is_space) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) throw Error::invalid_argument("invalid URL escape \"{}\"", text.substr(i, 3));
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

std::string lower_trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  std::string out(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::int64_t atoi(std::string_view text) {
  const std::string_view digits = text.starts_with('+') && !text.starts_with("+-") ? text.substr(1) : text;
  std::int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = result.ptr == digits.data() + digits.size();
  if (result.ec == std::errc::result_out_of_range && whole) {
    throw Error::invalid_argument("strconv.Atoi: parsing \"{}\": value out of range", text);
  }
  if (result.ec != std::errc() || !whole) throw Error::invalid_argument("strconv.Atoi: parsing \"{}\": invalid syntax", text);
  return value;
}

}  // namespace

std::string percent_decode(std::string_view text) { return unescape(text, Plus::is_plus); }

Query Query::parse(std::string_view raw) {
  Query query;
  while (!raw.empty()) {
    const std::size_t end = raw.find('&');
    const std::string_view part = raw.substr(0, end);
    raw = end == std::string_view::npos ? std::string_view() : raw.substr(end + 1);
    if (part.empty()) continue;
    if (part.find(';') != std::string_view::npos) throw Error::invalid_argument("invalid semicolon separator in query");
    const std::size_t equals = part.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    query.items_.emplace_back(unescape(part.substr(0, equals), Plus::is_space), unescape(value, Plus::is_space));
  }
  return query;
}

bool Query::contains(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return true;
  }
  return false;
}

std::string_view Query::text(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return value;
  }
  return {};
}

std::string Query::text_or(std::string_view name, std::string_view fallback) const {
  const std::string_view value = text(name);
  return std::string(value.empty() ? fallback : value);
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : items_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

bool Query::boolean(std::string_view name) const {
  const std::string value = lower_trimmed(text(name));
  return !value.empty() && value != "0" && value != "no" && value != "false" && value != "none";
}

bool Query::boolean_or(std::string_view name, bool absent) const { return contains(name) ? boolean(name) : absent; }

bool Query::strict_boolean(std::string_view name) const {
  const std::string_view value = text(name);
  for (const std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (value == word) return true;
  }
  for (const std::string_view word : {"", "0", "f", "F", "FALSE", "false", "False"}) {
    if (value == word) return false;
  }
  throw Error::invalid_argument("invalid value for {}: {}: strconv.ParseBool: parsing \"{}\": invalid syntax", name, value, value);
}

std::optional<std::int64_t> Query::integer(std::string_view name) const {
  const std::string_view value = text(name);
  if (value.empty()) return std::nullopt;
  return atoi(value);
}

std::int64_t Query::required_integer(std::string_view name) const { return atoi(text(name)); }

std::optional<TimePoint> Query::time(std::string_view name) const {
  const std::string_view value = text(name);
  if (value.empty()) return std::nullopt;
  return parse_time_parameter(value);
}

std::optional<TimePoint> Query::log_time(std::string_view name) const { return text(name) == "0" ? std::nullopt : time(name); }

std::optional<std::uint64_t> Query::tail(std::string_view name) const {
  const std::string_view value = text(name);
  std::uint64_t lines = 0;
  const auto result = std::from_chars(value.data(), value.data() + value.size(), lines);
  if (value.empty() || result.ec != std::errc() || result.ptr != value.data() + value.size()) return std::nullopt;
  return lines;
}

}  // namespace sockerless::api
