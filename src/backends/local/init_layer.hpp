#pragma once

#include <string>
#include <vector>

namespace sockerless::local {

/// The folder of a container's directory with the layer below.
inline constexpr const char* kInitLayer = "init";

/// Makes the layer between the image and the writable layer: the places that every container has (/.dockerenv, /proc, /sys, /dev/pts,
/// /etc/hosts, ...) where the image lacks them. They are nobody's change: a diff does not show them, a commit does not take them along.
/// @param image  the image's layers, the topmost first. May block.
void blocking_make_init_layer(const std::vector<std::string>& image, const std::string& target);

/// What a container's writable layer lies on, the topmost first. May block.
std::vector<std::string> blocking_lower_layers(const std::string& container_directory, std::vector<std::string> image);

}  // namespace sockerless::local
