#include "engine/until_filter.hpp"

#include <array>
#include <charconv>
#include <string>

#include "base/error.hpp"

namespace sockerless {

std::optional<Duration> find_go_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  static constexpr std::array<Unit, 8> kUnits{
      {{"ns", 1}, {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}}};
  constexpr double kLongest = 9.2e18;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    const std::size_t length = std::min(text.find_first_of("0123456789."), text.size());
    const auto* unit = std::ranges::find(kUnits, text.substr(0, length), &Unit::name);
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(length);
    total += value * unit->nanoseconds;
  }
  if (total > kLongest) return std::nullopt;
  return Duration(static_cast<std::int64_t>(negative ? -total : total));
}

std::optional<TimePoint> find_until(const api::Filters& filters, TimePoint now) {
  const auto& values = filters.get("until");
  if (values.empty()) return std::nullopt;
  if (values.size() > 1) throw Error::invalid_argument("more than one until filter specified");
  const std::string& text = values.front();
  if (const auto duration = find_go_duration(text)) return now - *duration;
  for (const std::string_view zone : {"Z", ":00Z", ":00:00Z", "T00:00:00Z"}) {
    if (const auto time = find_rfc3339(text + std::string(zone))) return time;
  }
  return parse_time_parameter(text);
}

}  // namespace sockerless
