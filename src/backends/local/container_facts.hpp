#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "backends/local/cgroups.hpp"
#include "backends/local/runtime_config.hpp"
#include "backends/local/runtime_selection.hpp"

namespace sockerless::local {

/// `ps` with these arguments, only the lines of the given processes. May block.
/// @errors invalid_argument: arguments ps does not take, or output without a PID column; unavailable: no ps (package procps).
api::ContainerTopResponse blocking_top(const std::string& ps_arguments, const std::vector<std::int64_t>& pids);

/// One sample from the control groups and the network devices of the container's namespace. May block.
api::ContainerStatsResponse blocking_stats(const CgroupHost& cgroups, const std::string& id, std::int64_t pid);

/// What GET /info says about this host. @param runtime  null: none works.
api::SystemInfo blocking_system_facts(const OciHost& host, const OciRuntime* runtime, const std::string& state_directory);

}  // namespace sockerless::local
