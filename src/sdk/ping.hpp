#pragma once

#include "sdk/daemon_link.hpp"
#include "sockerless/health.hpp"

// Internal to sdk/: the calls whose answer is in the head, and the figures, which Client and AsyncClient share.
namespace sockerless {

Task<PingInfo> ping_daemon(std::shared_ptr<DaemonLink> link, CallOptions options);

Call describe_archive_info(std::string_view id, std::string_view path);
/// @errors Failure: the daemon's header is missing or malformed.
PathInfo path_stat_of(const net::Headers& headers);

BreakerState breaker_state_of(DaemonLink& link);
PoolFigures pool_figures_of(DaemonLink& link);

}  // namespace sockerless
