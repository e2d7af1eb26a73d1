#pragma once

#include <chrono>
#include <optional>

#include "api/types.hpp"
#include "base/time.hpp"

namespace sockerless {

/// How a run ended, as the restart policy sees it.
struct EndedRun {
  int exit_code = 0;
  Duration duration{};
  int restart_count = 0;
  bool manually_stopped = false;
};

/// Decides whether a container comes back, and after how long: 100 ms, doubled with every restart up to a minute; a run of ten seconds
/// starts over. One a series of runs; a start by hand begins a new series.
class RestartBackoff {
 public:
  /// Nothing: it stays down.
  std::optional<std::chrono::milliseconds> next(const std::optional<api::RestartPolicy>& policy, const EndedRun& run);

 private:
  std::chrono::milliseconds delay_{0};
};

/// Whether the policy starts a stopped container when the daemon starts: `always` even after a stop by hand.
bool restarts_with_daemon(const std::optional<api::RestartPolicy>& policy, const EndedRun& run);

}  // namespace sockerless
