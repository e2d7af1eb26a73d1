#include "base/time.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::string format_to_second(TimePoint time) {
  const auto day = floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(floor<seconds>(time) - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::int64_t fraction_of(TimePoint time) { return (time - floor<seconds>(time)).count(); }

/// Reads exactly `digits` decimal digits off the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

/// The digits of a fraction as nanoseconds; digits past the ninth are dropped.
std::int64_t take_fraction(std::string_view& text) {
  std::int64_t value = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 9) {
      value = value * 10 + (text.front() - '0');
      ++digits;
    }
    text.remove_prefix(1);
  }
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

/// "Z", "+02:00" as an offset east of UTC; nothing may follow.
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  using std::chrono::minutes;
  if (text == "Z" || text == "z") return minutes(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int sign = text[0] == '-' ? -1 : 1;
  std::string_view rest = text.substr(1);
  const auto hours = take_digits(rest, 2);
  rest.remove_prefix(1);
  const auto mins = take_digits(rest, 2);
  if (!hours || !mins || *hours > 23 || *mins > 59) return std::nullopt;
  return minutes(sign * (*hours * 60 + *mins));
}

class SystemClock final : public Clock {
 public:
  TimePoint now() override { return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now()); }
};

}  // namespace

std::string format_rfc3339(TimePoint time) {
  if (time == kNever) return "0001-01-01T00:00:00Z";
  std::string text = format_to_second(time);
  if (const std::int64_t fraction = fraction_of(time); fraction != 0) {
    std::string digits = fmt::format(".{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += digits;
  }
  return text + 'Z';
}

std::string format_rfc3339_fixed(TimePoint time) {
  if (time == kNever) return "0001-01-01T00:00:00.000000000Z";
  return fmt::format("{}.{:09}Z", format_to_second(time), fraction_of(time));
}

std::optional<TimePoint> find_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || (!take_char(text, 'T') && !take_char(text, 't'))) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take_char(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::int64_t fraction = 0;
  if (take_char(text, '.')) {
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    fraction = take_fraction(text);
  }
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!offset || !date.ok()) return std::nullopt;
  if (*year <= 1) return kNever;
  if (*year < 1678 || *year > 2261) return std::nullopt;  // what 64 bits of nanoseconds hold
  const auto whole = std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second) - *offset;
  return TimePoint(std::chrono::time_point_cast<nanoseconds>(whole)) + nanoseconds(fraction);
}

TimePoint parse_time_parameter(std::string_view text) {
  if (const auto time = find_rfc3339(text)) return *time;
  std::string_view rest = text;
  const bool negative = take_char(rest, '-');
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), whole);
  const bool has_digits = error == std::errc{} && !rest.empty() && rest.front() != '-';
  constexpr std::int64_t kLimit = 9'000'000'000;
  if (!has_digits || whole > kLimit) throw Error::invalid_argument("invalid timestamp \"{}\": want Unix seconds or RFC 3339", text);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  std::int64_t fraction = 0;
  if (take_char(rest, '.')) fraction = take_fraction(rest);
  if (!rest.empty()) throw Error::invalid_argument("invalid timestamp \"{}\": want Unix seconds or RFC 3339", text);
  const nanoseconds since_epoch = seconds(whole) + nanoseconds(fraction);
  return TimePoint(negative ? -since_epoch : since_epoch);
}

std::int64_t unix_seconds(TimePoint time) { return floor<seconds>(time).time_since_epoch().count(); }
std::int64_t unix_nanoseconds(TimePoint time) { return time.time_since_epoch().count(); }

std::string human_duration(Duration duration) {
  const auto total_seconds = std::chrono::duration_cast<seconds>(duration).count();
  if (total_seconds < 1) return "Less than a second";
  if (total_seconds == 1) return "1 second";
  if (total_seconds < 60) return fmt::format("{} seconds", total_seconds);
  const auto minutes = total_seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  const auto hours = (total_seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", hours / 24 / 365);
}

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace sockerless
