// Stop, kill, restart, pause and removal.

#include <csignal>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_config.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/container_view.hpp"

namespace sockerless {

namespace {

using namespace std::chrono_literals;

Logger log("engine");

constexpr std::chrono::seconds kDefaultStopTimeout = 10s;
constexpr std::chrono::seconds kKillPatience = 60s;

Error not_running(const ContainerRecord& record) { return Error::conflict("container {} is not running", record.id().str()); }

/// Sets a flag for as long as it lives.
class FlagWhile {
 public:
  explicit FlagWhile(std::atomic<bool>& flag) : flag_(flag) { flag_ = true; }
  ~FlagWhile() { flag_ = false; }
  FlagWhile(const FlagWhile&) = delete;
  FlagWhile& operator=(const FlagWhile&) = delete;

 private:
  std::atomic<bool>& flag_;
};

Task<void> wait_for_run_end(ContainerPtr record, std::uint64_t run) {
  return wait_until(std::move(record), [run](const ContainerRecord& now) { return now.state()->ended_runs() >= run; });
}

}  // namespace

/// False: it still runs when the patience is over.
Task<bool> ContainerLifecycle::wait_for_end(ContainerPtr record, std::uint64_t run,
                                            std::optional<std::chrono::steady_clock::duration> patience) {
  if (!patience) {
    co_await wait_for_run_end(record, run);
    co_return true;
  }
  co_return co_await race(wait_for_run_end(record, run), sleep_for(*patience)) == First::one;
}

/// Delivers a signal and says so. A run that has just ended is no failure: its end is on its way.
Task<void> ContainerLifecycle::send_signal(ContainerPtr record, int signal) {
  {
    const auto order = co_await record->signalling.acquire();
    try {
      co_await context_.workloads.signal(record->id(), signal);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::not_found) throw;
      co_return;
    }
    publish(*record, "kill", {{"signal", std::to_string(signal)}});
  }
  if (!record->state()->is_paused()) co_return;
  // A frozen process hears no signal: Docker thaws it.
  const auto guard = co_await record->operations.acquire();
  if (!record->state()->is_paused()) co_return;
  co_await context_.workloads.unpause(record->id());
  record->change_state([&](ContainerState& state) {
    if (state.is_paused()) state.unpause(record->id().str());
  });
}

Task<void> ContainerLifecycle::stop(ContainerPtr record, std::optional<int> signal, std::optional<std::chrono::seconds> timeout) {
  const auto state = record->state();
  const auto& config = record->definition()->spec.config;
  if (!state->is_running()) throw Error::not_modified("container {} is already stopped", record->id().str());
  record->change_state([](ContainerState& now) {
    now.set_manually_stopped(true);
    now.restart_cancelled();
  });
  if (state->has_process()) {
    const std::uint64_t run = state->run();
    std::optional<std::chrono::steady_clock::duration> patience =
        timeout.value_or(std::chrono::seconds(config.stop_timeout.value_or(kDefaultStopTimeout.count())));
    if (*patience < 0s) patience.reset();
    co_await send_signal(record, signal.value_or(stop_signal_of(config)));
    if (!co_await wait_for_end(record, run, patience)) {
      log.info("container does not stop, killing it id={}", record->id().short_str());
      co_await send_signal(record, SIGKILL);
      if (!co_await wait_for_end(record, run, kKillPatience))
        throw Error::internal("tried to kill container, but did not receive an exit event");
    }
  } else {
    co_await context_.containers.save_state(record);
  }
  publish(*record, "stop");
}

Task<void> ContainerLifecycle::kill(ContainerPtr record, int signal) {
  const auto state = record->state();
  if (!state->is_running()) throw not_running(*record);
  if (!state->has_process()) throw Error::conflict("container {} is restarting, wait until the container is running", record->id().str());
  const auto& config = record->definition()->spec.config;
  // A signal that is meant to end it also ends what the restart policy would do.
  const bool ends = signal == SIGKILL || config.stop_signal.value_or("").empty() || signal == stop_signal_of(config);
  const std::uint64_t run = state->run();
  if (ends) record->change_state([](ContainerState& now) { now.set_manually_stopped(true); });
  co_await send_signal(record, signal);
  if (signal != SIGKILL) co_return;
  if (!co_await wait_for_end(record, run, kKillPatience))
    throw Error::internal("tried to kill container, but did not receive an exit event");
}

Task<void> ContainerLifecycle::restart(ContainerPtr record, std::optional<int> signal, std::optional<std::chrono::seconds> timeout) {
  const FlagWhile restarting(record->restart_in_progress);
  try {
    co_await stop(record, signal, timeout);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_modified) throw;
  }
  try {
    co_await start(record);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_modified) throw;
  }
  publish(*record, "restart");
}

Task<void> ContainerLifecycle::pause(ContainerPtr record) {
  const auto guard = co_await record->operations.acquire();
  ContainerState(*record->state()).pause(record->id().str());  // throws what the client hears
  co_await context_.workloads.pause(record->id());
  const auto definition = record->definition();
  record->change_state([&](ContainerState& state) {
    if (!state.has_process()) throw not_running(*record);
    state.pause(record->id().str());
    context_.events.publish("container", "pause", record->id().str(), event_attributes(*definition));
  });
  co_await context_.containers.save_state(record);
}

Task<void> ContainerLifecycle::unpause(ContainerPtr record) {
  const auto guard = co_await record->operations.acquire();
  ContainerState(*record->state()).unpause(record->id().str());
  co_await context_.workloads.unpause(record->id());
  const auto definition = record->definition();
  record->change_state([&](ContainerState& state) {
    if (!state.is_paused()) return;  // it ended meanwhile
    state.unpause(record->id().str());
    context_.events.publish("container", "unpause", record->id().str(), event_attributes(*definition));
  });
  co_await context_.containers.save_state(record);
}

Task<void> ContainerLifecycle::remove(ContainerPtr record, Force force, RemoveVolumes volumes) {
  const auto in_progress = [&] { return Error::conflict("removal of container {} is already in progress", record->id().str()); };
  if (record->state()->status() == ContainerStatus::removing) throw in_progress();
  const auto guard = co_await record->operations.acquire();
  if (record->is_removed()) throw Error::not_found("No such container: {}", record->id().str());
  const auto state = record->state();
  if (state->is_running()) {
    const auto& name = record->definition()->spec.name;
    if (force == Force::no) {
      throw Error::conflict("cannot remove container \"/{}\": container is {}{}", name, name_of(state->status()),
                            state->is_paused() ? " and must be unpaused first" : ": stop the container before removing or force remove");
    }
    record->change_state([](ContainerState& now) {
      now.set_manually_stopped(true);
      now.restart_cancelled();
    });
    if (state->has_process()) {
      if (state->is_paused()) {
        co_await context_.workloads.unpause(record->id());
        record->change_state([&](ContainerState& now) {
          if (now.is_paused()) now.unpause(record->id().str());
        });
      }
      co_await send_signal(record, SIGKILL);
      if (!co_await wait_for_end(record, state->run(), kKillPatience)) {
        throw Error::internal("cannot remove container \"/{}\": could not kill: tried to kill container, but did not receive an exit event",
                              name);
      }
    }
  }
  co_await remove_locked(record, volumes);
}

Task<void> ContainerLifecycle::remove_locked(ContainerPtr record, RemoveVolumes volumes) {
  record->change_state([&](ContainerState& state) { state.begin_removal(record->id().str()); });
  std::optional<Error> failure;
  try {
    co_await context_.containers.save_state(record);
    co_await delete_traces(record, volumes);
  } catch (...) {
    failure = current_error();
  }
  if (!failure) co_return;
  log.error("container not removed id={} error={}", record->id().short_str(), failure->what());
  record->change_state([](ContainerState& state) { state.mark_dead(); });
  throw Error(*failure);
}

Task<void> ContainerLifecycle::delete_traces(ContainerPtr record, RemoveVolumes volumes) {
  const auto definition = record->definition();
  co_await context_.workloads.remove(record->id());
  context_.execs.forget_container(record->id());
  co_await context_.containers.forget(record->id());
  context_.containers.erase(record);
  if (volumes == RemoveVolumes::yes && !definition->anonymous_volumes.empty()) {
    try {
      co_await context_.volumes.remove_anonymous(definition->anonymous_volumes);
    } catch (...) {
      log.warn("anonymous volumes not removed id={} error={}", record->id().short_str(), current_error().what());
    }
  }
  publish(*record, "destroy");
  record->mark_removed();
  log.info("container removed id={} name={}", record->id().short_str(), definition->spec.name);
}

}  // namespace sockerless
