#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backends/memory/log.hpp"
#include "backends/memory/script.hpp"
#include "base/guarded.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::memory {

enum class Stdin : std::uint8_t { closed, open };

/// One simulated process, a container's or an exec's: it writes its script's lines into a log at their times, then ends with its exit code.
///
/// What is due at once happens inside begin(), so that the usual process (its command line, exit 0) needs no task and no timer; only lines
/// and ends that lie in the future need play(). Time stands still while it is paused. Threads: any.
class SimulatedProcess {
 public:
  /// @param on_end  called once, when it has ended, without a lock.
  SimulatedProcess(ProcessScript script, std::string command_line, std::shared_ptr<MemoryLog> log, Stdin standard_input, Clock& clock,
                   std::function<void()> on_end);

  void begin();
  /// True when begin() left something for play() to do.
  bool has_timers() const;
  /// Plays the lines and the end that lie in the future. Cancellation: terminal, total; the process then stands still.
  static Task<void> play(std::shared_ptr<SimulatedProcess> self);

  bool has_ended() const;
  /// How it ended, as soon as it has. Cancellation: terminal, total.
  Task<WorkloadExit> wait();

  /// The default action of the signal, or none where the script ignores it. False: it has ended already.
  bool signal(int number);
  void pause();
  void unpause();

  /// False: nobody reads it any more.
  bool feed_stdin(std::span<const std::byte> input);
  void close_stdin();

 private:
  using Steady = std::chrono::steady_clock;
  struct State {
    std::size_t next_line = 0;
    Steady::time_point active_since;
    Duration active_before{};  // until the last pause
    bool begun = false;
    bool paused = false;
    bool stdin_open = false;
    std::vector<int> held_signals;  // until it is unpaused
    std::optional<WorkloadExit> exit;
  };
  struct Next {
    bool more = false;            // lines or the end are still to come by time
    std::optional<Duration> due;  // from now; nothing while paused
  };

  Next advance(State& state);
  bool deliver(State& state, int number);
  void end(State& state, int exit_code, bool oom_killed);
  void tell(bool ended);

  // Set in the constructor, never changed.
  const ProcessScript script_;
  const std::shared_ptr<MemoryLog> log_;  // shared with its readers, who may outlive the process
  Clock& clock_;
  const std::function<void()> on_end_;
  std::vector<ScriptedLine> lines_;
  Duration end_at_{};
  // Any thread.
  Guarded<State> state_;
  Signal changed_;
};

}  // namespace sockerless::memory
