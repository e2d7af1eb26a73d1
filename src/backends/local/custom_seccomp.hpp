#pragma once

#include <set>
#include <string>

#include <boost/json/object.hpp>

namespace sockerless::local {

/// A profile of the user's (`--security-opt seccomp=FILE`) as the `linux.seccomp` section of an OCI configuration. What Docker's format has
/// beyond that one, rules that hold with some capability, architecture or kernel only, is decided here.
/// @param capabilities  what the process holds. @param machine, kernel  as uname(2) says: "x86_64", "6.1.0-13-amd64".
/// @errors invalid_argument: no profile.
boost::json::object custom_seccomp_profile(const std::string& text, const std::set<std::string>& capabilities, const std::string& machine,
                                           const std::string& kernel);

}  // namespace sockerless::local
