#pragma once

#include <string>
#include <vector>

#include "engine/drivers.hpp"

namespace sockerless::local {

/// What a client asks for as flags of `buildah build`. @errors invalid_argument, not_implemented: what buildah cannot do.
std::vector<std::string> build_flags(const BuildSpec& spec);

}  // namespace sockerless::local
