#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "sockerless/time_point.hpp"

namespace sockerless {

/// RFC 3339 with nanoseconds without trailing zeros ("2024-01-02T03:04:05.123456789Z"): Go's time.RFC3339Nano. kNever gives
/// 0001-01-01T00:00:00Z.
std::string format_rfc3339(TimePoint time);
/// The same with exactly nine digits, as `docker logs --timestamps` prints it.
std::string format_rfc3339_fixed(TimePoint time);
/// Reads RFC 3339 with any number of fraction digits (nine are kept) and any offset. The year 1 gives kNever.
std::optional<TimePoint> find_rfc3339(std::string_view text);

/// A time parameter of Docker's API: Unix seconds with an optional fraction ("1700000000.000000001") or RFC 3339.
/// @errors invalid_argument: neither.
TimePoint parse_time_parameter(std::string_view text);

/// Whole seconds since 1970.
std::int64_t unix_seconds(TimePoint time);
std::int64_t unix_nanoseconds(TimePoint time);

/// "Up 5 minutes", "Exited (0) 2 hours ago": the words for a duration of Docker's units.HumanDuration ("Less than a second", "About a
/// minute").
std::string human_duration(Duration duration);

/// Time is given to the code that needs it, so that tests can choose it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() = 0;
};

Clock& system_clock();

}  // namespace sockerless
