#pragma once

#include <string>

#include "api/types.hpp"

// Internal to frontend/: the `platform` parameter of the image endpoints, an OCI platform as JSON: {"os":"linux","architecture":"arm64"}.
namespace sockerless::frontend {

/// Backends keep one platform of an image; a request for another one must not be given it.
/// @errors not_found: the image has another platform. invalid_argument: `platform` is no platform.
void check_platform(const api::ImageInspect& image, const std::string& name, const std::string& platform);

/// "linux/arm64/v8" of the JSON form. @errors invalid_argument
std::string parse_platform(const std::string& json);

}  // namespace sockerless::frontend
