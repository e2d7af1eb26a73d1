#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "backend/roles.hpp"
#include "base/task.hpp"
#include "engine/engine_context.hpp"
#include "engine/restart_policy.hpp"

namespace sockerless {

/// Runs and their ends: everything that moves a container from one state to another.
///
/// Each run has a supervisor, a task that waits for its end, puts the end on disk, tells everybody, and brings the container back or
/// removes it where the configuration says so. start, pause and remove hold the record's operation lock; stop and kill only send signals
/// and wait, so that a second stop need not wait for the first one's patience to end.
///
/// Threads: any. The public functions may be cancelled only together with the engine: call them through run_to_its_end.
class ContainerLifecycle {
 public:
  explicit ContainerLifecycle(EngineContext& context) : context_(context) {}

  /// @errors not_modified, conflict; StartFailure with the driver's words.
  Task<void> start(ContainerPtr record);
  /// @param timeout  negative: wait without end; nothing: the container's StopTimeout, else 10 s. @errors not_modified.
  Task<void> stop(ContainerPtr record, std::optional<int> signal, std::optional<std::chrono::seconds> timeout);
  Task<void> restart(ContainerPtr record, std::optional<int> signal, std::optional<std::chrono::seconds> timeout);
  /// @errors conflict: it does not run.
  Task<void> kill(ContainerPtr record, int signal);
  Task<void> pause(ContainerPtr record);
  Task<void> unpause(ContainerPtr record);
  /// @errors conflict: it runs and `force` is not set, or it is being removed already.
  Task<void> remove(ContainerPtr record, Force force, RemoveVolumes volumes);

  /// Brings records and reality together after a restart of the daemon; starts what the policies bring back.
  Task<void> restore();

  /// Publishes an event about the container. Takes the record's lock: not from within change_state.
  void publish(const ContainerRecord& record, std::string action, EventAttributes extra = {}) const;

 private:
  enum class Origin { by_hand, by_policy };

  Task<void> start_locked(ContainerPtr record, Origin origin, RestartBackoff backoff);
  Task<void> record_start(ContainerPtr record, ContainerNetworks joined, WorkloadStarted started, Origin origin);
  Task<void> fail_start(ContainerPtr record, std::optional<ContainerNetworks> joined, Error error, int exit_code);
  Task<void> supervise(ContainerPtr record, RestartBackoff backoff);
  void spawn_supervisor(ContainerPtr record, RestartBackoff backoff);
  Task<WorkloadExit> wait_for_exit(ContainerPtr record);
  Task<std::optional<std::chrono::milliseconds>> settle_exit(ContainerPtr record, WorkloadExit exit, RestartBackoff* backoff);
  Task<void> restart_after(ContainerPtr record, std::chrono::milliseconds delay, RestartBackoff backoff);
  Task<void> remove_after_exit(ContainerPtr record);
  WorkloadSpec with_resolved_namespaces(WorkloadSpec spec) const;
  Task<LeftNetworks> leave_networks(ContainerPtr record, ContainerNetworks joined);

  Task<void> send_signal(ContainerPtr record, int signal);
  Task<bool> wait_for_end(ContainerPtr record, std::uint64_t run, std::optional<std::chrono::steady_clock::duration> patience);
  Task<void> remove_locked(ContainerPtr record, RemoveVolumes volumes);
  Task<void> delete_traces(ContainerPtr record, RemoveVolumes volumes);

  Task<void> restore_one(ContainerPtr record, std::optional<RestoredWorkload> found);
  Task<void> resume_with_daemon(ContainerPtr record);

  EngineContext& context_;
};

}  // namespace sockerless
