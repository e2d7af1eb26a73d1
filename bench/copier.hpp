#pragma once

#include <string>

namespace sockerless::bench {

/// Passes bytes between the clients of one unix socket, one at a time, and another socket, until it is killed. It looks at nothing and
/// keeps nothing: what it adds to a request is what any process in between adds on this machine.
[[noreturn]] void copy_between(const std::string& from, const std::string& to);

}  // namespace sockerless::bench
