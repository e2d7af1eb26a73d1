#pragma once

#include <optional>
#include <string_view>

#include "api/filters.hpp"
#include "base/time.hpp"

namespace sockerless {

/// A duration as Go writes it: "24h", "1h30m", "1.5s", "300ms". Nothing when it is none.
std::optional<Duration> find_go_duration(std::string_view text);

/// The `until` filter of lists and prunes: an instant (Unix seconds, RFC 3339 with or without zone, a date) or a duration before `now`.
/// @errors invalid_argument: it is none of these, or given more than once.
std::optional<TimePoint> find_until(const api::Filters& filters, TimePoint now);

}  // namespace sockerless
