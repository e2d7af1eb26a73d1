#pragma once

#include <set>
#include <string>

#include <boost/json/object.hpp>

namespace sockerless::local {

/// Docker's default seccomp profile as the `linux.seccomp` section of an OCI configuration, for a process that holds `capabilities`
/// ("CAP_SYS_ADMIN"): what a capability is for is allowed with it. Everything not named answers EPERM.
/// Source: "Seccomp security profiles for Docker", docs.docker.com/engine/security/seccomp.
/// @param machine  as uname(2) says: "x86_64" or "aarch64"; on any other the native architecture alone is filtered.
boost::json::object default_seccomp_profile(const std::set<std::string>& capabilities, const std::string& machine);

}  // namespace sockerless::local
