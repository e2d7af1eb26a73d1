// Starts, and what follows a run's end.
//
// The order at an exit: the networks are left, the end is on disk, and then, in one step under the record's lock, `die` is published, with
// what Docker says after it (`disconnect`, `unmount`), and the state changes. So whoever hears of the exit, by an event, a wait or an
// inspect, finds the same everywhere, also after a crash, and a restart finds its ports free.

#include "engine/container_lifecycle.hpp"

#include <utility>

#include <boost/asio/this_coro.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_documents.hpp"
#include "engine/container_view.hpp"
#include "engine/health_monitor.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr int kUnknownExitCode = 137;
constexpr int kStartFailureCode = 128;

/// The exception of a driver's start, with the exit code the container shows.
struct FailedStart {
  Error error;
  int exit_code = kStartFailureCode;
};

Task<WorkloadExit> driver_wait(WorkloadDriver& driver, ContainerId id) {
  try {
    co_return co_await driver.wait(std::move(id));
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::cancelled) throw;
    log.error("the end of a run is unknown error={}", error.what());
    co_return WorkloadExit{.exit_code = kUnknownExitCode, .oom_killed = false, .finished_at = kNever, .error = error.message()};
  }
}

/// In a race of its own: it hears the engine's stop at once.
Task<void> heeding_total(Task<void> task) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await std::move(task);
}

Task<void> driver_wait_into(WorkloadDriver& driver, ContainerId id, WorkloadExit* exit) {
  *exit = co_await driver_wait(driver, std::move(id));
}

}  // namespace

void ContainerLifecycle::publish(const ContainerRecord& record, std::string action, EventAttributes extra) const {
  EventAttributes attributes = event_attributes(*record.definition());
  for (auto& [key, value] : extra) attributes.insert_or_assign(key, std::move(value));
  context_.events.publish("container", std::move(action), record.id().str(), std::move(attributes));
}

/// IpcMode and PidMode may name a container; who that is, is asked at each start, as in dockerd.
WorkloadSpec ContainerLifecycle::with_resolved_namespaces(WorkloadSpec spec) const {
  constexpr std::string_view kShared = "container:";
  for (std::optional<std::string>* mode : {&spec.host_config.ipc_mode, &spec.host_config.pid_mode}) {
    if (mode->value_or("").starts_with(kShared)) {
      *mode = std::string(kShared) + context_.containers.get(mode->value().substr(kShared.size()))->id().str();
    }
  }
  return spec;
}

Task<void> ContainerLifecycle::start(ContainerPtr record) {
  const auto guard = co_await record->operations.acquire();
  if (record->is_removed()) throw Error::not_found("No such container: {}", record->id().str());
  co_await start_locked(record, Origin::by_hand, {});
}

Task<void> ContainerLifecycle::start_locked(ContainerPtr record, Origin origin, RestartBackoff backoff) {
  if (origin == Origin::by_hand) record->state()->check_can_start(record->id().str());
  const auto begun = std::chrono::steady_clock::now();
  const auto definition = record->definition();
  std::optional<ContainerNetworks> joined;
  std::optional<WorkloadStarted> started;
  std::optional<FailedStart> failure;
  try {
    joined = co_await context_.networks.join(record);
    started = co_await context_.workloads.start(with_resolved_namespaces(definition->spec));
  } catch (const StartFailure& error) {
    failure = FailedStart{error, error.exit_code()};
  } catch (...) {
    failure = FailedStart{current_error(), kStartFailureCode};
  }
  if (failure) {
    co_await fail_start(record, std::move(joined), failure->error, failure->exit_code);
    throw StartFailure(failure->exit_code, failure->error.code(), failure->error.message());
  }
  co_await record_start(record, std::move(*joined), *started, origin);
  spawn_supervisor(record, backoff);
  log.info("container started id={} name={} ms={}", record->id().short_str(), definition->spec.name,
           std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count());
}

Task<void> ContainerLifecycle::record_start(ContainerPtr record, ContainerNetworks joined, WorkloadStarted started, Origin origin) {
  const auto definition = record->definition();
  const TimePoint at = started.started_at == kNever || started.started_at == TimePoint{} ? context_.clock.now() : started.started_at;
  const bool by_hand = origin == Origin::by_hand;
  const auto health = has_health_check(definition->spec.config) ? HealthStatus::starting : HealthStatus::none;
  const auto apply = [&](ContainerState& state) {
    state.started(started.pid, at);
    state.reset_health(health);
    if (by_hand) {
      state.set_manually_stopped(false);
      state.reset_restart_count();
    }
  };
  ContainerState next = *record->state();
  apply(next);
  std::optional<Error> failure;
  try {
    co_await context_.store.put(StateKind::container_state, record->id().str(), state_to_json(next, joined));
  } catch (...) {
    failure = current_error();
  }
  if (failure) {
    // A run that is not on disk must not go on.
    try {
      co_await context_.workloads.signal(record->id(), 9);
      std::ignore = co_await context_.workloads.wait(record->id());
    } catch (...) {
      log.error("a run that could not be recorded was not ended id={} error={}", record->id().short_str(), current_error().what());
    }
    co_await fail_start(record, std::move(joined), *failure, kStartFailureCode);
    throw Error(*failure);
  }
  record->set_networks(std::move(joined));
  record->change_state([&](ContainerState& state) {
    apply(state);
    context_.volumes.publish_mounts(definition->spec);
    context_.events.publish("container", "start", record->id().str(), event_attributes(*definition));
  });
}

Task<void> ContainerLifecycle::fail_start(ContainerPtr record, std::optional<ContainerNetworks> joined, Error error, int exit_code) {
  if (joined) {
    auto [at_rest, left] = co_await leave_networks(record, std::move(*joined));
    record->set_networks(std::move(at_rest));
    context_.networks.publish_left(record->id(), left);
  }
  log.warn("container not started id={} error={}", record->id().short_str(), error.what());
  record->change_state([&](ContainerState& state) { state.start_failed(exit_code, error.message(), context_.clock.now()); });
  try {
    co_await context_.containers.save_state(record);
    if (record->definition()->spec.host_config.auto_remove.value_or(false)) co_await remove_locked(record, RemoveVolumes::yes);
  } catch (...) {
    log.error("after a start that failed id={} error={}", record->id().short_str(), current_error().what());
  }
}

Task<LeftNetworks> ContainerLifecycle::leave_networks(ContainerPtr record, ContainerNetworks joined) {
  try {
    co_return co_await context_.networks.leave(record, joined);
  } catch (...) {
    log.error("networks not left id={} error={}", record->id().short_str(), current_error().what());
  }
  co_return LeftNetworks{std::move(joined), {}};
}

void ContainerLifecycle::spawn_supervisor(ContainerPtr record, RestartBackoff backoff) {
  context_.tasks.spawn("supervisor", asio::make_strand(context_.executor), supervise(std::move(record), backoff));
}

Task<void> ContainerLifecycle::supervise(ContainerPtr record, RestartBackoff backoff) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  WorkloadExit exit = co_await wait_for_exit(record);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  const auto delay = co_await settle_exit(record, std::move(exit), &backoff);
  if (delay) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await restart_after(record, *delay, backoff);  // the new run gets a supervisor of its own
  } else if (record->definition()->spec.host_config.auto_remove.value_or(false)) {
    co_await remove_after_exit(record);
  }
}

Task<WorkloadExit> ContainerLifecycle::wait_for_exit(ContainerPtr record) {
  if (record->state()->health().status == HealthStatus::none) co_return co_await driver_wait(context_.workloads, record->id());
  WorkloadExit exit;
  std::ignore = co_await race(heeding_total(driver_wait_into(context_.workloads, record->id(), &exit)), monitor_health(context_, record));
  co_return exit;
}

/// Nothing: it stays down. Else it is `restarting` and comes back after this time.
Task<std::optional<std::chrono::milliseconds>> ContainerLifecycle::settle_exit(ContainerPtr record, WorkloadExit exit,
                                                                               RestartBackoff* backoff) {
  const auto definition = record->definition();
  ContainerState next = *record->state();
  const TimePoint at = exit.finished_at == kNever || exit.finished_at == TimePoint{} ? context_.clock.now() : exit.finished_at;
  const Duration duration = std::max(Duration{}, at - next.started_at());
  const EndedRun ended{exit.exit_code, duration, next.restart_count(), next.manually_stopped()};
  const auto delay = backoff->next(definition->spec.host_config.restart_policy, ended);
  const auto apply = [&](ContainerState& state) {
    state.ended(exit.exit_code, exit.oom_killed, exit.error, at, delay.has_value());
    if (delay) state.count_restart();
  };
  // From here to the new state: a connect that runs at the same time is either over, and its endpoint is left too, or finds nothing
  // running.
  const auto order = co_await record->signalling.acquire();
  auto [at_rest, left] = co_await leave_networks(record, *record->networks());
  apply(next);
  try {
    co_await context_.store.put(StateKind::container_state, record->id().str(), state_to_json(next, at_rest));
  } catch (...) {
    log.error("the end of a run is not on disk id={} error={}", record->id().short_str(), current_error().what());
  }
  if (exit.oom_killed) publish(*record, "oom");
  record->set_networks(std::move(at_rest));
  EventAttributes attributes = event_attributes(*definition);
  attributes.insert_or_assign("exitCode", std::to_string(exit.exit_code));
  attributes.insert_or_assign("execDuration", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()));
  record->change_state([&](ContainerState& state) {
    apply(state);
    context_.events.publish("container", "die", record->id().str(), std::move(attributes));
    context_.networks.publish_left(record->id(), left);
    context_.volumes.publish_unmounts(definition->spec);
  });
  log.info("container exited id={} name={} exit_code={} restart={}", record->id().short_str(), definition->spec.name, exit.exit_code,
           delay.has_value());
  co_return delay;
}

Task<void> ContainerLifecycle::restart_after(ContainerPtr record, std::chrono::milliseconds delay, RestartBackoff backoff) {
  auto given_up = wait_until(record, [](const ContainerRecord& now) { return now.is_removed() || !now.state()->is_restarting(); });
  std::ignore = co_await race(heeding_total(sleep_for(delay)), heeding_total(std::move(given_up)));
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  const auto guard = co_await record->operations.acquire();
  if (record->is_removed() || !record->state()->is_restarting()) co_return;
  try {
    co_await start_locked(record, Origin::by_policy, backoff);
  } catch (const Error& error) {
    log.warn("container not restarted id={} error={}", record->id().short_str(), error.what());
  }
}

Task<void> ContainerLifecycle::remove_after_exit(ContainerPtr record) {
  if (record->restart_in_progress) co_return;
  const auto run = record->state()->run();
  const auto guard = co_await record->operations.acquire();
  const auto state = record->state();
  if (record->is_removed() || state->run() != run || state->is_running() || state->status() == ContainerStatus::removing) co_return;
  co_await remove_locked(record, RemoveVolumes::yes);
}

}  // namespace sockerless
