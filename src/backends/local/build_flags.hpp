#pragma once

#include <string>
#include <vector>

#include "engine/drivers.hpp"

namespace sockerless::local {

/// What a client asks for as flags of `buildah build`. @errors invalid_argument, not_implemented: what buildah cannot do.
std::vector<std::string> build_flags(const BuildSpec& spec);
/// "NAME=value" of the build arguments that build_flags gives by name alone: a command line is for every user of the machine to read.
std::vector<std::string> build_environment(const BuildSpec& spec);

}  // namespace sockerless::local
