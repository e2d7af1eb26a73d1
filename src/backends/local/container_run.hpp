#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/local/cgroups.hpp"
#include "backends/local/log_file.hpp"
#include "base/guarded.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// One run of a container as its monitor tells it: launched, then started or failed, then exited, then finished.
///
/// Shared by the driver's table, the task that reads the monitor's channel and whoever waits.
struct ContainerRun {
  struct State {
    std::optional<WorkloadStarted> started;
    std::exception_ptr failure;        ///< the start did not happen
    std::optional<WorkloadExit> exit;  ///< the first process has ended, its output is in the log
    bool finished = false;             ///< the monitor is gone and everything of the run is cleaned up
  };
  Guarded<State> state;
  Signal changed;

  template <typename Change>
  void update(Change&& change) {
    state.write(std::forward<Change>(change));
    changed.notify();
  }
  /// Waits until `holds(state)`. Cancellation: terminal, total.
  template <typename Condition>
  Task<void> wait_until(Condition holds) {
    for (;;) {
      const std::uint64_t seen = changed.version();
      if (state.read(holds)) co_return;
      co_await changed.wait_changed(seen);
    }
  }
};

/// A container the driver knows. Shared: operations outlive a removal from the table.
struct ContainerEntry {
  ContainerEntry(ContainerId container, std::string folder)
      : id(std::move(container)), directory(std::move(folder)), feed(std::make_shared<LogFeed>(directory + "/output.log")) {}
  const ContainerId id;
  const std::string directory;
  const std::shared_ptr<LogFeed> feed;
  Guarded<std::shared_ptr<const WorkloadPaths>> paths;  ///< null: nobody has asked yet
  Guarded<std::shared_ptr<ContainerRun>> run;           ///< the current or last one; null: never started by this daemon
};

/// The monitor's exit record; nothing when there is none. May block. @errors internal: unreadable.
std::optional<WorkloadExit> blocking_read_exit_record(const std::string& directory);
WorkloadExit parse_exit_record(const std::string& text);

/// The end of a run whose monitor was killed: nobody knows how the process ended. Ends what is left of it, cleans up, and writes the
/// record the monitor would have written: 137, with words. May block.
/// @param runtime  the runtime's command; empty: no runtime works any more, control groups and mounts are cleaned up all the same.
WorkloadExit blocking_bury_lost_run(const std::vector<std::string>& runtime, const CgroupHost& cgroups, const ContainerId& id,
                                    const std::string& directory);

/// Ends and removes everything of a run: processes, the runtime's state, control groups, the mount, sockets. Idempotent. May block.
void blocking_clean_run(const std::vector<std::string>& runtime, const CgroupHost& cgroups, const ContainerId& id,
                        const std::string& directory);

}  // namespace sockerless::local
