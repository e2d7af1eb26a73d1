#pragma once

#include <string>
#include <string_view>

#include "base/random.hpp"

namespace sockerless {

/// A name nobody gave: "brave_otter"; from the fourth try on with a digit, so that a crowded table still finds a free one.
std::string generate_container_name(Random& random, int attempt);

/// The name without its slash. @errors invalid_argument: "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed".
std::string parse_container_name(std::string_view name);

/// True for [a-zA-Z0-9][a-zA-Z0-9_.-]+: what Docker allows as the name of a container or a volume.
bool is_valid_object_name(std::string_view name);

}  // namespace sockerless
