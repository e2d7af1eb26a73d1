#include "backends/memory/workloads.hpp"

#include <algorithm>
#include <csignal>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <boost/asio/strand.hpp>
#include <sys/utsname.h>

#include "backends/memory/process.hpp"
#include "backends/memory/script.hpp"
#include "base/guarded.hpp"

namespace sockerless::memory {

namespace {

std::string joined(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) {
    if (!line.empty()) line += ' ';
    line += argument;
  }
  return line;
}

/// What the engine runs to probe a container's health; empty: it has no such check.
std::vector<std::string> health_command(const api::ContainerConfig& config) {
  if (!config.healthcheck || !config.healthcheck->test || config.healthcheck->test->size() < 2) return {};
  const std::vector<std::string>& test = *config.healthcheck->test;
  if (test.front() == "CMD") return {test.begin() + 1, test.end()};
  if (test.front() != "CMD-SHELL") return {};
  std::vector<std::string> command = config.shell && !config.shell->empty() ? *config.shell : std::vector<std::string>{"/bin/sh", "-c"};
  command.push_back(test[1]);
  return command;
}

ProcessScript probe_script(ProbeResult result) {
  ProcessScript script;
  script.exit_code = result == ProbeResult::healthy ? 0 : 1;
  if (result == ProbeResult::hang) script.run_time = std::nullopt;
  return script;
}

void throw_if_it_cannot_start(const ProcessScript& script) {
  if (script.start_error.empty()) return;
  // As dockerd: a command that cannot be run is the caller's mistake, anything else the daemon's trouble.
  const ErrorCode code = script.start_exit_code == 128 ? ErrorCode::internal : ErrorCode::invalid_argument;
  throw StartFailure(script.start_exit_code, code, script.start_error);
}

class ProcessStdin final : public StdinWriter {
 public:
  explicit ProcessStdin(std::shared_ptr<SimulatedProcess> process) : process_(std::move(process)) {}
  Task<void> write(std::span<const std::byte> input) override {
    if (!process_->feed_stdin(input)) throw Error::unavailable("the process has closed its stdin");
    co_return;
  }
  Task<void> close() override {
    process_->close_stdin();
    co_return;
  }

 private:
  const std::shared_ptr<SimulatedProcess> process_;  // shared with the driver: a process may end while its stdin is held
};

class SimulatedExec final : public ExecProcess {
 public:
  SimulatedExec(std::shared_ptr<SimulatedProcess> process, std::shared_ptr<MemoryLog> output, bool has_stdin)
      : process_(process), reader_(MemoryLog::open(std::move(output), {})) {
    if (has_stdin) stdin_ = std::make_unique<ProcessStdin>(std::move(process));
  }

  std::int64_t pid() const override { return 0; }

  Task<std::optional<LogRecord>> read() override {
    while (read_ == records_.size()) {
      const bool over = reader_->is_over();  // asked first: what is written before the end is then seen
      records_ = co_await reader_->next();
      read_ = 0;
      if (!records_.empty()) break;
      if (over) co_return std::nullopt;
      co_await reader_->wait_for_more();
    }
    co_return records_[read_++];
  }

  StdinWriter* standard_input() override { return stdin_.get(); }
  Task<void> resize(TerminalSize) override { co_return; }
  Task<int> wait() override { co_return (co_await process_->wait()).exit_code; }

 private:
  const std::shared_ptr<SimulatedProcess> process_;  // shared with the driver, which ends it with its container
  std::unique_ptr<LogReader> reader_;
  std::unique_ptr<ProcessStdin> stdin_;
  std::span<const LogRecord> records_;
  std::size_t read_ = 0;
};

class MemoryWorkloads final : public WorkloadDriver {
 public:
  MemoryWorkloads(asio::any_io_executor executor, Clock& clock) : executor_(std::move(executor)), clock_(clock) {}

  Task<std::vector<std::string>> prepare(WorkloadSpec spec) override {
    Workload workload;
    workload.script = ContainerScript::parse(spec.config.labels.value_or(std::map<std::string, std::string>{}));
    workload.probe_command = health_command(spec.config);
    workload.command_line = joined(spec.arguments);
    workload.has_stdin = spec.config.open_stdin.value_or(false);
    workload.log = std::make_shared<MemoryLog>();
    const bool inserted = containers_.write([&](Containers& all) { return all.emplace(spec.id, std::move(workload)).second; });
    if (!inserted) throw Error::conflict("the container {} is already there", spec.id.str());
    co_return std::vector<std::string>{};
  }

  Task<WorkloadStarted> start(WorkloadSpec spec) override {
    const Workload workload = get(spec.id);
    throw_if_it_cannot_start(workload.script.run);
    auto run = std::make_shared<SimulatedProcess>(workload.script.run, workload.command_line, workload.log,
                                                  workload.has_stdin ? Stdin::open : Stdin::closed, clock_,
                                                  [this, id = spec.id] { end_execs(id); });
    containers_.write([&](Containers& all) {
      if (const auto it = all.find(spec.id); it != all.end()) it->second.run = run;
    });
    const WorkloadStarted started{.pid = 0, .started_at = clock_.now()};
    launch(run, "simulated container");
    co_return started;
  }

  Task<WorkloadExit> wait(ContainerId id) override {
    const auto run = get_run(id);
    co_return co_await run->wait();
  }

  Task<void> signal(ContainerId id, int signal_number) override {
    const auto run = get(id).run;
    if (!run || !run->signal(signal_number)) throw Error::not_found("Container {} is not running", id.str());
    co_return;
  }

  Task<void> pause(ContainerId id) override {
    get_run(id)->pause();
    for (const auto& process : execs_of(id)) process->pause();
    co_return;
  }

  Task<void> unpause(ContainerId id) override {
    get_run(id)->unpause();
    for (const auto& process : execs_of(id)) process->unpause();
    co_return;
  }

  Task<void> resize(ContainerId, TerminalSize) override { co_return; }
  Task<void> update(WorkloadSpec) override { co_return; }

  Task<void> remove(ContainerId id) override {
    const auto run = containers_.write([&](Containers& all) {
      const auto node = all.extract(id);
      return node.empty() ? nullptr : node.mapped().run;
    });
    if (run) run->signal(SIGKILL);
    end_execs(id);
    co_return;
  }

  Task<LogPosition> log_end(ContainerId id) override { co_return get(id).log->end(); }
  Task<LogPosition> log_tail(ContainerId id, std::uint64_t lines, StreamSelection streams) override {
    co_return get(id).log->tail(lines, streams);
  }
  Task<std::unique_ptr<LogReader>> open_log(ContainerId id, LogPosition from) override { co_return MemoryLog::open(get(id).log, from); }

  Task<std::unique_ptr<StdinWriter>> open_stdin(ContainerId id) override {
    if (!get(id).has_stdin) co_return nullptr;
    co_return std::make_unique<ProcessStdin>(get_run(id));
  }

  Task<std::unique_ptr<ExecProcess>> exec(WorkloadSpec spec, ExecSpec exec) override {
    const ProcessScript script = exec_script(spec.id, exec.arguments);
    throw_if_it_cannot_start(script);
    auto output = std::make_shared<MemoryLog>();
    auto process =
        std::make_shared<SimulatedProcess>(script, joined(exec.arguments), output, exec.attach_stdin ? Stdin::open : Stdin::closed, clock_,
                                           [this, id = exec.id] { execs_.write([&](Execs& all) { all.erase(id); }); });
    execs_.write([&](Execs& all) { all.insert_or_assign(exec.id, Exec{spec.id, process}); });
    launch(process, "simulated exec");
    if (get_run(spec.id)->has_ended()) process->signal(SIGKILL);
    co_return std::make_unique<SimulatedExec>(std::move(process), std::move(output), exec.attach_stdin);
  }

  Task<api::ContainerTopResponse> top(ContainerId id, std::string ps_args) override {
    if (!ps_args.empty() && ps_args != "-ef")
      throw Error::not_implemented("the memory backend simulates \"ps -ef\" only, not \"ps {}\"", ps_args);
    const Workload workload = get(id);
    api::ContainerTopResponse response;
    using Row = std::vector<std::string>;
    response.titles = Row{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"};
    response.processes = std::vector<Row>{Row{"root", "1", "0", "0", "00:00", "?", "00:00:00", workload.command_line}};
    co_return response;
  }

  Task<api::ContainerStatsResponse> stats(ContainerId) override {
    throw Error::not_implemented("the memory backend runs no process that could be measured");
    co_return api::ContainerStatsResponse{};
  }

  Task<std::int64_t> writable_size(ContainerId) override { co_return 0; }
  Task<std::vector<RestoredWorkload>> restore(std::vector<ContainerId>) override { co_return std::vector<RestoredWorkload>{}; }
  Task<void> stop() override { co_await players_.stop(std::chrono::seconds(1)); }

  Task<api::SystemInfo> facts() override {
    utsname host{};
    ::uname(&host);
    api::SystemInfo info;
    info.driver = "memory";
    using Row = std::vector<std::string>;
    info.driver_status = std::vector<Row>{Row{"Simulated", "no process runs, all state is lost on restart"}};
    info.cgroup_driver = api::SystemInfoCgroupDriver::none;
    info.kernel_version = host.release;
    info.runtimes.emplace()["simulated"] = api::Runtime{};
    info.default_runtime = "simulated";
    info.security_options = std::vector<std::string>{};
    co_return info;
  }

 private:
  struct Workload {
    ContainerScript script;
    std::vector<std::string> probe_command;
    std::string command_line;
    bool has_stdin = false;
    std::shared_ptr<MemoryLog> log;         // shared with its readers and writers, who may outlive the container
    std::shared_ptr<SimulatedProcess> run;  // the current or last run; shared with whoever waits for it
    std::size_t probes = 0;
  };
  struct Exec {
    ContainerId container;
    std::shared_ptr<SimulatedProcess> process;
  };
  using Containers = std::unordered_map<ContainerId, Workload>;
  using Execs = std::unordered_map<ExecId, Exec>;

  Workload get(const ContainerId& id) const {
    return containers_.read([&](const Containers& all) {
      const auto it = all.find(id);
      if (it == all.end()) throw Error::not_found("No such container: {}", id.str());
      return it->second;
    });
  }

  std::shared_ptr<SimulatedProcess> get_run(const ContainerId& id) const {
    return containers_.read([&](const Containers& all) {
      const auto it = all.find(id);
      if (it == all.end()) throw Error::not_found("No such container: {}", id.str());
      if (!it->second.run) throw Error::not_found("Container {} is not running", id.str());
      return it->second.run;
    });
  }

  /// The script of an exec; a probe takes the next result of the health sequence.
  ProcessScript exec_script(const ContainerId& id, const std::vector<std::string>& arguments) {
    return containers_.write([&](Containers& all) {
      const auto it = all.find(id);
      if (it == all.end()) throw Error::not_found("No such container: {}", id.str());
      Workload& workload = it->second;
      const auto& health = workload.script.health;
      if (health.empty() || arguments != workload.probe_command) return workload.script.exec;
      return probe_script(health[std::min(workload.probes++, health.size() - 1)]);
    });
  }

  std::vector<std::shared_ptr<SimulatedProcess>> execs_of(const ContainerId& id) const {
    return execs_.read([&](const Execs& all) {
      std::vector<std::shared_ptr<SimulatedProcess>> found;
      for (const auto& [exec, entry] : all) {
        if (entry.container == id) found.push_back(entry.process);
      }
      return found;
    });
  }

  void end_execs(const ContainerId& id) {
    for (const auto& process : execs_of(id)) process->signal(SIGKILL);
  }

  void launch(const std::shared_ptr<SimulatedProcess>& process, std::string_view name) {
    process->begin();
    if (process->has_timers()) players_.spawn(name, asio::make_strand(executor_), SimulatedProcess::play(process));
  }

  // Set in the constructor, never changed.
  const asio::any_io_executor executor_;
  Clock& clock_;
  // Any thread.
  Guarded<Containers> containers_;
  Guarded<Execs> execs_;
  TaskGroup players_;
};

}  // namespace

std::unique_ptr<WorkloadDriver> make_workload_driver(asio::any_io_executor executor, Clock& clock) {
  return std::make_unique<MemoryWorkloads>(std::move(executor), clock);
}

}  // namespace sockerless::memory
