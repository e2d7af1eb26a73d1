#pragma once

#include <string_view>

namespace sockerless::api {

/// At least two of [a-zA-Z0-9_.-], the first alphanumeric.
bool is_restricted_name(std::string_view name);

/// A container's name, with or without its leading slash. @errors invalid_argument: "Invalid container name (x), only ... are allowed".
void check_container_name(std::string_view name);

/// @errors invalid_argument: in the words of dockerd's local volume driver.
void check_volume_name(std::string_view name);

}  // namespace sockerless::api
