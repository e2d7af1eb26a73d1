#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace sockerless {

enum class ContainerStatus { created, running, paused, restarting, removing, exited, dead };

/// "created", "running", ...: State.Status of inspect and the `status` filter.
std::string_view name_of(ContainerStatus status);
std::optional<ContainerStatus> find_container_status(std::string_view name);

enum class HealthStatus { none, starting, healthy, unhealthy };
std::string_view name_of(HealthStatus status);

/// One run of a health check.
struct HealthProbe {
  TimePoint start;
  TimePoint end;
  int exit_code = 0;
  std::string output;
};

/// The outcome of a container's health checks; `none` when it has no check.
struct ContainerHealth {
  HealthStatus status = HealthStatus::none;
  int failing_streak = 0;
  std::deque<HealthProbe> log;  ///< the last five
};

/// A container's life as a plain state machine: no I/O, no clock, no lock.
///
///   created -> running <-> paused; running -> exited | restarting; restarting -> running | exited; any stopped -> removing | dead
///
/// A transition that is not allowed throws the Error that Docker's client sees; `id` is what the message names.
class ContainerState {
 public:
  ContainerStatus status() const { return status_; }
  /// Docker's State.Running: true also while paused, and while restarting.
  bool is_running() const {
    return status_ == ContainerStatus::running || status_ == ContainerStatus::paused || status_ == ContainerStatus::restarting;
  }
  /// A process exists: running or paused.
  bool has_process() const { return status_ == ContainerStatus::running || status_ == ContainerStatus::paused; }
  bool is_paused() const { return status_ == ContainerStatus::paused; }
  bool is_restarting() const { return status_ == ContainerStatus::restarting; }
  std::int64_t pid() const { return pid_; }
  int exit_code() const { return exit_code_; }
  /// The code of the last run that ended; a start does not reset it. What a wait hears.
  int last_exit_code() const { return last_exit_code_; }
  bool oom_killed() const { return oom_killed_; }
  const std::string& error() const { return error_; }
  TimePoint started_at() const { return started_at_; }    ///< kNever: never
  TimePoint finished_at() const { return finished_at_; }  ///< kNever: never
  /// How many starts there were, by whomever, failed ones too: 0 for a container that is only created. Tells one run from the next.
  std::uint64_t run() const { return run_; }
  /// How many runs have ended: equal to run() unless one is going on.
  std::uint64_t ended_runs() const { return ended_runs_; }
  /// How many ends a wait hears of: those of runs, and of a restart policy's start that failed. A start by hand that fails tells whoever
  /// asked for it and nobody else, as in dockerd. Counted since this daemon's start.
  std::uint64_t exits() const { return exits_; }
  /// Restarts by the restart policy since the last start by hand.
  int restart_count() const { return restart_count_; }
  /// Stopped by hand: `unless-stopped` leaves it alone when the daemon starts.
  bool manually_stopped() const { return manually_stopped_; }
  const ContainerHealth& health() const { return health_; }

  /// @errors not_modified: it runs; conflict: paused, being removed or dead.
  void check_can_start(std::string_view id) const;
  void started(std::int64_t pid, TimePoint at);
  /// The start did not happen: a run that has ended at once with this code. What never ran stays created.
  void start_failed(int exit_code, std::string error, TimePoint at);
  /// The run ended; `restarting` when the policy brings it back.
  void ended(int exit_code, bool oom_killed, std::string error, TimePoint at, bool restarting);
  /// Waiting for the back-off was given up: stopped by hand or removed meanwhile.
  void restart_cancelled();
  /// @errors conflict: not running, already paused, restarting.
  void pause(std::string_view id);
  void unpause(std::string_view id);
  void begin_removal(std::string_view id);
  /// The removal failed half-way.
  void mark_dead();

  void count_restart() { ++restart_count_; }
  void reset_restart_count() { restart_count_ = 0; }
  void set_manually_stopped(bool stopped) { manually_stopped_ = stopped; }
  void reset_health(HealthStatus status);
  /// Adds a probe's result. @return true when the status changed.
  bool add_probe(HealthProbe probe, HealthStatus status, int failing_streak);

  /// "Up 5 minutes (healthy)", "Exited (0) 2 hours ago", "Created", ...: Status of the list.
  std::string describe(TimePoint now) const;

  /// The document kept on disk.
  std::string to_json() const;
  static ContainerState from_json(std::string_view json);

 private:
  ContainerStatus status_ = ContainerStatus::created;
  std::int64_t pid_ = 0;
  int exit_code_ = 0;
  int last_exit_code_ = 0;
  bool oom_killed_ = false;
  bool manually_stopped_ = false;
  int restart_count_ = 0;
  std::string error_;
  TimePoint started_at_ = kNever;
  TimePoint finished_at_ = kNever;
  std::uint64_t run_ = 0;
  std::uint64_t ended_runs_ = 0;
  std::uint64_t exits_ = 0;  // not on disk: waits end with the daemon
  ContainerHealth health_;
};

}  // namespace sockerless
