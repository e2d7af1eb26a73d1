// After a restart of the daemon: what is on disk meets what is really there.

#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/health_monitor.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr int kLostExitCode = 137;

}  // namespace

Task<void> ContainerLifecycle::restore() {
  std::vector<ContainerId> known;
  for (const auto& record : context_.containers.all()) known.push_back(record->id());
  std::map<std::string, RestoredWorkload> found;
  for (auto& workload : co_await context_.workloads.restore(known)) found.emplace(workload.id.str(), std::move(workload));
  for (const auto& record : context_.containers.all()) {
    std::optional<RestoredWorkload> workload;
    if (const auto it = found.find(record->id().str()); it != found.end()) workload = it->second;
    try {
      co_await restore_one(record, std::move(workload));
    } catch (...) {
      log.error("container not restored id={} error={}", record->id().short_str(), current_error().what());
    }
  }
}

Task<void> ContainerLifecycle::restore_one(ContainerPtr record, std::optional<RestoredWorkload> found) {
  const auto state = record->state();
  if (state->status() == ContainerStatus::removing || state->status() == ContainerStatus::dead) {
    record->change_state([](ContainerState& now) { now.mark_dead(); });  // so that it can be tried again
    const bool auto_remove = record->definition()->spec.host_config.auto_remove.value_or(false);
    co_await delete_traces(record, auto_remove ? RemoveVolumes::yes : RemoveVolumes::no);
    co_return;
  }
  if (found && found->running) {
    if (!state->has_process()) {
      // It was killed between the start of the run and its record.
      const auto& running = *found->running;
      const auto definition = record->definition();
      record->change_state([&](ContainerState& now) {
        now.started(running.pid, running.started_at);
        now.reset_health(has_health_check(definition->spec.config) ? HealthStatus::starting : HealthStatus::none);
      });
      co_await context_.containers.save_state(record);
    }
    spawn_supervisor(record, {});
    log.info("container found running id={} name={}", record->id().short_str(), record->definition()->spec.name);
    co_return;
  }
  if (state->has_process()) {
    WorkloadExit exit;
    if (found && found->exit) {
      exit = *found->exit;
    } else {
      exit.exit_code = kLostExitCode;
      exit.finished_at = context_.clock.now();
      exit.error = "the container was lost while the daemon was not running";
    }
    RestartBackoff none;
    std::ignore = co_await settle_exit(record, std::move(exit), &none);
  }
  co_await resume_with_daemon(record);
}

Task<void> ContainerLifecycle::resume_with_daemon(ContainerPtr record) {
  const auto state = record->state();
  const auto& host_config = record->definition()->spec.host_config;
  if (state->is_restarting()) record->change_state([](ContainerState& now) { now.restart_cancelled(); });
  if (state->started_at() == kNever) co_return;
  const EndedRun ended{state->exit_code(), state->finished_at() - state->started_at(), state->is_restarting() ? 0 : state->restart_count(),
                       state->manually_stopped()};
  const bool is_policy_run = restarts_with_daemon(host_config.restart_policy, ended);
  if (is_policy_run) {
    try {
      co_await start(record);
    } catch (const Error& error) {
      log.warn("container not started with the daemon id={} error={}", record->id().short_str(), error.what());
    }
  } else if (host_config.auto_remove.value_or(false)) {
    co_await remove_after_exit(record);
  }
}

}  // namespace sockerless
