#pragma once

#include <chrono>

namespace sockerless {

/// An instant in UTC with nanoseconds, the resolution of Docker's logs and events.
using TimePoint = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

/// Docker's "never": 0001-01-01T00:00:00Z, which is how an unset Go time.Time is written. Held as TimePoint::min().
inline constexpr TimePoint kNever = TimePoint::min();

}  // namespace sockerless
