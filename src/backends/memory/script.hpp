#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::memory {

/// A piece of output and when it comes, counted from the start of the run.
struct ScriptedLine {
  Duration at{};
  StdStream stream = StdStream::out;
  std::string text;  ///< line end included
};

enum class StdinUse : std::uint8_t { discard, echo };
enum class ProbeResult : std::uint8_t { healthy, unhealthy, hang };

/// What one simulated process does, as its container's labels say (README.md lists them).
struct ProcessScript {
  std::string start_error;  ///< not empty: it does not start
  int start_exit_code = 128;
  std::vector<ScriptedLine> lines;                      ///< by time, stdout before stderr
  bool speaks = false;                                  ///< lines were given, be they none: the command line is not echoed
  std::optional<Duration> run_time = Duration::zero();  ///< nothing: forever
  StdinUse stdin_use = StdinUse::discard;
  int exit_code = 0;
  bool oom_killed = false;
  std::set<int> ignored_signals;
};

/// What one container does.
struct ContainerScript {
  ProcessScript run;
  ProcessScript exec;
  std::vector<ProbeResult> health;  ///< one a probe, the last for all that follow; empty: probes are execs like any other

  /// Reads the labels `sockerless.sim.*`; the others are not looked at.
  /// @errors invalid_argument: an unknown label of that prefix, a malformed value; the text names the label.
  static ContainerScript parse(const std::map<std::string, std::string>& labels);
};

/// Go's durations: "1h2m", "1.5s", "300ms". Nothing: not one, or negative.
std::optional<Duration> find_duration(std::string_view text);

}  // namespace sockerless::memory
