#pragma once

#include <string>
#include <string_view>

namespace sockerless::api {

/// A signal by its Linux name with or without SIG in any case ("SIGTERM", "term", "RTMIN+3"), or by its number.
/// @errors invalid_argument: `invalid signal: x`.
int parse_signal(std::string_view text);

/// "SIGTERM"; the number where it has no name.
std::string signal_name(int signal);

}  // namespace sockerless::api
