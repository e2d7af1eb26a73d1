#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/roles.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"

namespace sockerless {

struct ExecRecord;

/// Processes inside running containers: the exec table and what Docker says about it.
///
/// An exec is remembered until its container is removed or, once it has ended, for five minutes. Threads: any.
class ExecService final : public ExecRole {
 public:
  ExecService(WorkloadDriver& driver, ContainerTable& containers, EventBus& events, Clock& clock, Random& random);
  ~ExecService() override;

  Task<api::IDResponse> create(ContainerRef container, api::ContainerExecRequest request) override;
  Task<std::unique_ptr<AttachSession>> start(ExecRef exec, ExecStartOptions options) override;
  Task<void> resize(ExecRef exec, TerminalSize size) override;
  Task<api::ExecInspectResponse> inspect(ExecRef exec) override;

  /// Forgets the execs of a container that is removed.
  void forget_container(const ContainerId& container);
  /// Stops watching what runs; the processes go on.
  Task<void> stop();

 private:
  struct Table {
    std::map<std::string, std::shared_ptr<ExecRecord>, std::less<>> by_id;
    std::deque<std::pair<TimePoint, std::string>> ended;  // oldest first
  };

  std::shared_ptr<ExecRecord> get(const std::string& id) const;
  void publish(const ExecRecord& exec, std::string action, EventAttributes more);
  void ended(ExecRecord& exec, int exit_code);
  Task<std::unique_ptr<AttachSession>> run(std::shared_ptr<ExecRecord> exec, ExecStartOptions options);
  Task<void> watch(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process);

  WorkloadDriver& driver_;
  ContainerTable& containers_;
  EventBus& events_;
  Clock& clock_;
  Random& random_;
  Guarded<Table> execs_;
  std::shared_ptr<TaskGroup> tasks_;  // shared with sessions, which hand over the rest of an output they leave behind
};

/// How a command inside a container ended.
struct ExecOutcome {
  int exit_code = 0;       ///< meaningless when it timed out
  bool timed_out = false;  ///< it was killed
  std::string output;      ///< stdout and stderr as they came, cut off after `output_limit`
};

/// Runs a command in a running container to its end: health checks.
/// @errors StartFailure: the command cannot be run.
Task<ExecOutcome> run_exec(WorkloadDriver& driver, WorkloadSpec spec, std::vector<std::string> arguments,
                           std::chrono::steady_clock::duration timeout, std::size_t output_limit = 4096);

}  // namespace sockerless
