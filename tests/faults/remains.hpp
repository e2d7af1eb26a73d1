#pragma once

#include <string>
#include <vector>

#include "tests/support/daemon.hpp"

namespace sockerless::support {

/// When all containers are removed: no process, mount, file or control group of theirs is there. What a monitor tidies after its
/// container's end comes a moment after the exit code: waits for it, bounded.
void expect_nothing_left(const Daemon& daemon, const std::vector<std::string>& container_ids);

}  // namespace sockerless::support
