#pragma once

#include "api/types.hpp"
#include "base/task.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// True when the configuration asks for health checks.
bool has_health_check(const api::ContainerConfig& config);

/// What the state becomes after a probe: Docker's rules for streaks, retries and the start period, without I/O.
struct HealthVerdict {
  HealthStatus status = HealthStatus::starting;
  int failing_streak = 0;
};
HealthVerdict judge_probe(const api::HealthConfig& config, const ContainerHealth& before, int exit_code, Duration since_start);

/// How long to wait before the next probe.
Duration probe_interval(const api::HealthConfig& config, HealthStatus status, Duration since_start);

/// Probes the container's current run until cancelled (terminal or total). Publishes exec_create, exec_start, exec_die for each probe and
/// health_status when the status changes.
Task<void> monitor_health(EngineContext& context, ContainerPtr record);

}  // namespace sockerless
