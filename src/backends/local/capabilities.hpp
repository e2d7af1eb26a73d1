#pragma once

#include <set>
#include <string>
#include <vector>

namespace sockerless::local {

/// The capabilities of a container's first process, by Docker's rules: fourteen by default, CapAdd and CapDrop with or without "CAP_",
/// "ALL" in either; a privileged container has all that the host can give.
/// @errors invalid_argument: an unknown name, in Docker's words.
std::set<std::string> container_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop, bool privileged);

/// Everything in this process's bounding set.
std::set<std::string> host_capabilities();

}  // namespace sockerless::local
