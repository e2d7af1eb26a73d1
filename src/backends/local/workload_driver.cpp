#include "backends/local/workload_driver.hpp"

// The driver keeps no state that matters: what is true about a container is in its directory and in its monitor. The table here only spares
// looking it up. README.md has the layout of the directory and the monitor's protocol.

#include <array>
#include <csignal>
#include <filesystem>
#include <unordered_map>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "backends/local/container_facts.hpp"
#include "backends/local/container_files.hpp"
#include "backends/local/container_run.hpp"
#include "backends/local/container_store.hpp"
#include "backends/local/exec_process.hpp"
#include "backends/local/host_runtime.hpp"
#include "backends/local/init_layer.hpp"
#include "backends/local/log_file.hpp"
#include "backends/local/monitor_channel.hpp"
#include "backends/local/monitor_launch.hpp"
#include "backends/local/mount_sources.hpp"
#include "backends/local/runtime_config.hpp"
#include "backends/local/runtime_selection.hpp"
#include "backends/local/start_failure.hpp"
#include "backends/local/volume_copy.hpp"
#include "backends/local/volume_driver.hpp"
#include "backends/local/volume_mounts.hpp"
#include "backends/local/workload_settings.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Logger log("local");

constexpr auto kMonitorEndTimeout = std::chrono::seconds(30);
constexpr auto kStopGrace = std::chrono::seconds(2);
constexpr int kOtherStartFailure = 128;

std::string default_monitor_path() {
  std::error_code error;
  return (fs::read_symlink("/proc/self/exe", error).parent_path() / "sockerless-monitor").string();
}

/// Runs to its end whatever becomes of the caller. On a coroutine thread of its own: switching the cancellation off in place would leave it
/// off for the caller's whole thread, which then could not be cancelled any more.
template <typename T>
Task<T> to_its_end(Task<T> task) {
  co_return co_await asio::co_spawn(co_await asio::this_coro::executor, std::move(task),
                                    asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

class LocalWorkloadDriver final : public WorkloadDriver {
 public:
  LocalWorkloadDriver(WorkloadOptions options, std::shared_ptr<LayerSource> layers, BlockingPool& pool, asio::any_io_executor executor)
      : options_(std::move(options)),
        layers_(std::move(layers)),
        runtime_(options_.runtime, monitor_program().path, options_.state_directory),
        store_(options_.state_directory, layers_, runtime_),
        volumes_(options_.state_directory + "/volumes"),
        volume_mounts_(volumes_),
        pool_(pool),
        executor_(std::move(executor)),
        watcher_(asio::make_strand(executor_), tasks_) {
    ::signal(SIGPIPE, SIG_IGN);  // writing to a process that has closed its stdin is an error, not the daemon's end
  }

  // ---- life

  Task<std::vector<std::string>> prepare(WorkloadSpec spec) override {
    co_return co_await run_blocking(pool_, [this, &spec] { return blocking_prepare(spec); });
  }

  // A launched monitor must not be lost sight of.
  Task<WorkloadStarted> start(WorkloadSpec spec) override { return to_its_end(launch(std::move(spec))); }

  Task<WorkloadStarted> launch(WorkloadSpec spec) {
    const auto entry = get_entry(spec.id);
    co_await settle(entry);
    auto run = std::make_shared<ContainerRun>();
    const bool may_take_minutes = co_await has_volumes_with_options(pool_, volumes_, spec.mounts);
    Launched launched =
        co_await run_blocking_with_volumes(pool_, may_take_minutes, [this, &spec, entry] { return blocking_launch(spec, *entry); });
    entry->feed->run_active = true;
    entry->run.write([&](auto& current) { current = run; });
    const auto strand = asio::make_strand(executor_);
    auto channel = std::make_unique<MonitorChannel>(strand, std::move(launched.channel));
    tasks_.spawn("container", strand, follow(entry, run, std::move(channel), launched.pid, spec.arguments));
    co_await run->wait_until([](const ContainerRun::State& state) { return state.started || state.failure; });
    co_return run->state.read([](const ContainerRun::State& state) {
      if (state.failure) std::rethrow_exception(state.failure);
      return *state.started;
    });
  }

  Task<WorkloadExit> wait(ContainerId id) override {
    const auto run = get_run(id);
    co_await run->wait_until([](const ContainerRun::State& state) { return state.exit || state.finished; });
    co_return run->state.read([&](const ContainerRun::State& state) {
      if (!state.exit) throw Error::not_found("Container {} is not running", id.str());
      return *state.exit;
    });
  }

  Task<void> signal(ContainerId id, int signal_number) override { co_await command(id, MessageKind::signal, signal_number, 0); }

  Task<void> resize(ContainerId id, TerminalSize size) override { co_await command(id, MessageKind::resize, size.height, size.width); }

  Task<void> pause(ContainerId id) override { co_await run_runtime(id, "pause", "pause"); }
  Task<void> unpause(ContainerId id) override { co_await run_runtime(id, "resume", "unpause"); }

  Task<void> update(WorkloadSpec spec) override {
    if (!is_running(spec.id)) co_return;  // the next start takes it from the specification
    co_await run_blocking(pool_, [this, &spec] { blocking_update(spec); });
  }

  /// Returns when the processes have ended and the container's name on disk is free. What takes time, above all unmounting the overlay,
  /// which syncs a file system, goes on behind; a daemon that dies meanwhile leaves it to the next one.
  Task<void> remove(ContainerId id) override { return to_its_end(remove_all(std::move(id))); }

  Task<void> remove_all(ContainerId id) {
    const auto entry = find_entry(id);
    const auto run = entry ? entry->run.read([](const auto& current) { return current; }) : nullptr;
    if (run) {
      if (is_running(id)) {
        co_await run_blocking(pool_, [entry] { return blocking_command(entry->directory, MessageKind::signal, SIGKILL, 0); });
      }
      co_await with_deadline(
          run->wait_until([](const ContainerRun::State& state) { return state.exit || state.failure || state.finished; }),
          Deadline::in(kMonitorEndTimeout), "the end of the container's processes");
    }
    const std::string remains = co_await run_blocking(pool_, [this, &id] { return store_.blocking_set_aside(id); });
    entries_.write([&](auto& entries) { entries.erase(id); });
    removals_.spawn("removal", asio::make_strand(executor_), finish_removal(id, run, remains));
  }

  // ---- output and input

  Task<LogPosition> log_end(ContainerId id) override {
    const auto entry = get_entry(id);
    co_return LogPosition{co_await run_blocking(pool_, [entry] { return blocking_log_end(entry->feed->path); }), 0};
  }

  Task<LogPosition> log_tail(ContainerId id, std::uint64_t lines, StreamSelection streams) override {
    const auto entry = get_entry(id);
    co_return co_await run_blocking(pool_, [entry, lines, streams] { return blocking_log_tail(entry->feed->path, lines, streams); });
  }

  Task<std::unique_ptr<LogReader>> open_log(ContainerId id, LogPosition from) override {
    const auto entry = get_entry(id);
    auto watch = co_await run_blocking(pool_, [this, entry] { return watcher_.watch(entry->feed); });
    co_return make_log_reader(pool_, entry->feed, std::move(watch), from.offset);
  }

  Task<std::unique_ptr<StdinWriter>> open_stdin(ContainerId id) override {
    const auto entry = get_entry(id);
    const auto executor = co_await asio::this_coro::executor;
    co_return co_await run_blocking(pool_, [entry, executor] { return blocking_open_stdin(executor, entry->directory); });
  }

  // ---- inside

  Task<std::unique_ptr<ExecProcess>> exec(WorkloadSpec spec, ExecSpec exec) override {
    return to_its_end(launch_exec(std::move(spec), std::move(exec)));
  }

  Task<std::unique_ptr<ExecProcess>> launch_exec(WorkloadSpec spec, ExecSpec exec) {
    const auto entry = get_entry(spec.id);
    const std::int64_t pid = get_pid(spec.id.str());
    Launched launched = co_await run_blocking(pool_, [this, &spec, &exec, entry, pid] { return blocking_exec(spec, exec, *entry, pid); });
    const auto strand = asio::make_strand(executor_);
    UniqueFd control(::fcntl(launched.channel.get(), F_DUPFD_CLOEXEC, 3));
    auto channel = std::make_unique<MonitorChannel>(strand, std::move(launched.channel));
    auto first = co_await channel->next();
    if (!first || first->head.kind != MessageKind::started) {
      co_await run_blocking(pool_, [child = launched.pid] { blocking_reap(child); });
      throw failure_of(first, Attempt::exec, exec.arguments);
    }
    auto end = std::make_shared<ExecEnd>();
    ExecStreams streams{exec.tty, exec.attach_stdin, std::move(first->descriptors), std::move(control)};
    auto process = make_exec_process(co_await asio::this_coro::executor, first->head.a, std::move(streams), end);
    tasks_.spawn("exec", strand, follow_exec(end, std::move(channel), launched.pid));
    co_return process;
  }

  FileDriver* files() override { return files_.get(); }

  Task<api::ContainerTopResponse> top(ContainerId id, std::string ps_args) override {
    const std::int64_t pid = get_pid(id.str());
    co_return co_await run_blocking(pool_, [this, &id, &ps_args, pid] {
      auto pids = runtime_.blocking_host().cgroups.blocking_pids(container_cgroup(id.str()));
      if (pids.empty()) pids.push_back(pid);
      return blocking_top(ps_args, pids);
    });
  }

  Task<api::ContainerStatsResponse> stats(ContainerId id) override {
    const std::int64_t pid = get_pid(id.str());
    co_return co_await run_blocking(pool_, [this, &id, pid] { return blocking_stats(runtime_.blocking_host().cgroups, id.str(), pid); });
  }

  Task<std::int64_t> writable_size(ContainerId id) override {
    const auto entry = get_entry(id);
    co_return co_await run_blocking(pool_, [entry] { return blocking_size_of_files(entry->directory + "/upper"); });
  }

  Task<WorkloadPaths> paths(ContainerId id, std::string image_id) override {
    const auto entry = find_entry(id);
    if (!entry) co_return WorkloadPaths{};
    auto known = entry->paths.read([](const auto& paths) { return paths; });
    if (!known) {
      known = co_await run_blocking(
          pool_, [&] { return std::make_shared<const WorkloadPaths>(blocking_find_paths(image_id, entry->directory, *layers_)); });
      entry->paths.write([&](auto& paths) { paths = known; });
    }
    co_return *known;
  }

  // ---- the daemon's own start and end

  Task<std::vector<RestoredWorkload>> restore(std::vector<ContainerId> known) override {
    auto found = co_await run_blocking(pool_, [this, &known] { return store_.blocking_restore(known); });
    std::vector<ContainerId> running;
    for (const auto& one : found) {
      if (one.workload.running) running.push_back(one.entry->id);
    }
    co_await run_blocking(pool_, [this, &running] { volume_mounts_.blocking_restore(running); });
    std::vector<RestoredWorkload> result;
    for (auto& one : found) {
      entries_.write([&](auto& entries) { entries[one.entry->id] = one.entry; });
      if (one.workload.running) {
        auto run = std::make_shared<ContainerRun>();
        run->update([&](ContainerRun::State& state) { state.started = one.workload.running; });
        one.entry->run.write([&](auto& current) { current = run; });
        one.entry->feed->run_active = true;
        const auto strand = asio::make_strand(executor_);
        tasks_.spawn("container", strand, follow(one.entry, run, std::make_unique<MonitorChannel>(strand, std::move(one.channel)), 0, {}));
      }
      result.push_back(std::move(one.workload));
    }
    co_return result;
  }

  Task<void> stop() override {
    co_await removals_.stop(kMonitorEndTimeout);  // they do not hear the asking, so they have that long
    co_await tasks_.stop(kStopGrace);
    co_await run_blocking(pool_, [this] { blocking_remove_empty_runtime_state(options_.state_directory); });
  }

  Task<api::SystemInfo> facts() override {
    co_return co_await run_blocking(pool_, [this] {
      try {
        return blocking_system_facts(runtime_.blocking_host(), &runtime_.blocking_runtime(), options_.state_directory);
      } catch (const Error& error) {
        auto facts = blocking_system_facts(runtime_.blocking_host(), nullptr, options_.state_directory);
        facts.warnings = std::vector<std::string>{"WARNING: " + error.message()};
        return facts;
      }
    });
  }

 private:
  using EntryPtr = std::shared_ptr<ContainerEntry>;
  using RunPtr = std::shared_ptr<ContainerRun>;

  // ---- the table

  EntryPtr find_entry(const ContainerId& id) const {
    return entries_.read([&](const auto& entries) {
      const auto it = entries.find(id);
      return it == entries.end() ? nullptr : it->second;
    });
  }

  EntryPtr get_entry(const ContainerId& id) const {
    auto entry = find_entry(id);
    if (!entry) throw Error::not_found("No such container: {}", id.str());
    return entry;
  }

  RunPtr get_run(const ContainerId& id) const {
    auto run = get_entry(id)->run.read([](const auto& current) { return current; });
    if (!run) throw Error::not_found("Container {} is not running", id.str());
    return run;
  }

  bool is_running(const ContainerId& id) const {
    const auto entry = find_entry(id);
    const auto run = entry ? entry->run.read([](const auto& current) { return current; }) : nullptr;
    return run && run->state.read([](const ContainerRun::State& state) { return state.started && !state.exit && !state.finished; });
  }

  /// @errors conflict in Docker's words: another container's namespaces are wanted, and it does not run.
  std::int64_t get_pid(const std::string& id) const {
    const auto container = ContainerId::parse(id);
    if (!is_running(container)) throw Error::conflict("Container {} is not running", id);
    return get_run(container)->state.read([](const ContainerRun::State& state) { return state.started->pid; });
  }

  Task<std::optional<std::int64_t>> settled_pid(ContainerId id) {
    if (is_running(id)) co_return get_pid(id.str());
    co_await settle(get_entry(id));
    co_return std::nullopt;
  }

  /// Waits until the last run has left nothing behind.
  Task<void> settle(EntryPtr entry) {
    const auto run = entry->run.read([](const auto& current) { return current; });
    if (run) {
      co_await with_deadline(run->wait_until([](const ContainerRun::State& state) { return state.finished; }),
                             Deadline::in(kMonitorEndTimeout), "the end of the container's last run");
    }
  }

  // ---- following monitors

  /// Reads a run's channel to its end. The channel ends with the monitor's process, after the clean-up.
  Task<void> follow(EntryPtr entry, RunPtr run, std::unique_ptr<MonitorChannel> channel, pid_t monitor,
                    std::vector<std::string> arguments) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());  // the monitor goes on by itself
    while (auto message = co_await channel->next()) {
      switch (message->head.kind) {
        case MessageKind::started:
          run->update([&](ContainerRun::State& state) {
            state.started = WorkloadStarted{message->head.a, TimePoint(std::chrono::nanoseconds(message->head.time))};
          });
          break;
        case MessageKind::failed:
          end_output(*entry);
          run->update(
              [&](ContainerRun::State& state) { state.failure = std::make_exception_ptr(failure_of(message, Attempt::run, arguments)); });
          break;
        case MessageKind::exited:
          end_output(*entry);
          run->update([&](ContainerRun::State& state) { state.exit = parse_exit_record(message->text); });
          break;
        default:
          break;
      }
    }
    co_await run_blocking(pool_, [monitor] { blocking_reap(monitor); });
    const bool told = run->state.read([](const ContainerRun::State& state) { return state.failure || state.exit; });
    if (!told) {
      const WorkloadExit exit = co_await run_blocking(pool_, [this, entry] { return blocking_find_end(*entry); });
      end_output(*entry);
      run->update([&](ContainerRun::State& state) {
        if (!state.started) state.failure = std::make_exception_ptr(StartFailure(kOtherStartFailure, ErrorCode::internal, exit.error));
        state.exit = exit;
      });
    }
    const bool may_take_minutes = volume_mounts_.is_user(entry->id);
    co_await run_blocking_with_volumes(pool_, may_take_minutes, [this, entry] { volume_mounts_.blocking_release(entry->id); });
    run->update([](ContainerRun::State& state) { state.finished = true; });
  }

  static void end_output(ContainerEntry& entry) {
    entry.feed->run_active = false;
    entry.feed->changed.notify();
  }

  /// The monitor is gone without a word on the channel: its record, or the lack of one, tells.
  WorkloadExit blocking_find_end(const ContainerEntry& entry) {
    if (auto recorded = blocking_read_exit_record(entry.directory)) return *recorded;
    return blocking_bury_lost_run(runtime_.blocking_runtime_of(entry.directory).command, runtime_.blocking_host().cgroups, entry.id,
                                  entry.directory);
  }

  Task<void> follow_exec(std::shared_ptr<ExecEnd> end, std::unique_ptr<MonitorChannel> channel, pid_t monitor) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    std::optional<int> code;
    while (auto message = co_await channel->next()) {
      if (message->head.kind == MessageKind::exited) code = message->head.a;
    }
    co_await run_blocking(pool_, [monitor] { blocking_reap(monitor); });
    if (!code) log.error("the monitor of an exec ended unexpectedly");
    end->exit_code.write([&](auto& exit_code) { exit_code = code.value_or(128 + SIGKILL); });
    end->changed.notify();
  }

  StartFailure failure_of(const std::optional<MonitorChannel::Received>& message, Attempt attempt,
                          const std::vector<std::string>& arguments) {
    const std::string runtime = runtime_.chosen_name();
    if (!message) return {kOtherStartFailure, ErrorCode::internal, "the container's monitor ended before it said anything"};
    switch (static_cast<FailureKind>(message->head.a)) {
      case FailureKind::hung:
        return make_hung_failure(attempt, runtime, options_.runtime_timeout, message->text);
      case FailureKind::monitor:
        return {kOtherStartFailure, ErrorCode::internal, message->text};
      default:
        return make_start_failure(attempt, runtime, message->text, arguments);
    }
  }

  // ---- blocking parts

  std::vector<std::string> blocking_prepare(const WorkloadSpec& spec) {
    auto warnings = check_workload(spec, runtime_.blocking_host());
    for (auto& warning : blocking_socket_warnings(spec.mounts, options_.own_socket)) warnings.push_back(std::move(warning));
    blocking_prepare_sources(with_own_socket(spec.mounts, options_.own_socket));
    store_.blocking_make(spec);
    const auto entry = std::make_shared<ContainerEntry>(spec.id, store_.directory_of(spec.id));
    entries_.write([&](auto& entries) { entries[spec.id] = entry; });
    return warnings;
  }

  /// A shareable /dev/shm is mounted here, outside of the container: one container's mounts cannot be bound into another's.
  static void blocking_prepare_shared_memory(const OciSettings& settings) {
    if (settings.shm_source.empty()) return;
    if (settings.ipc.kind != NamespaceChoice::Kind::of_process) {
      blocking_mount_shared_memory(settings.shm_source, settings.shm_size);
    } else if (!blocking_is_mount_point(settings.shm_source)) {
      throw Error::conflict(
          "cannot join IPC namespace: the container's IPC is not shareable (hint: use IpcMode \"shareable\" for the donor container)");
    }
  }

  /// The network that the network driver has prepared, instead of one that the runtime makes.
  NetworkFacts blocking_find_network(const WorkloadSpec& spec, OciSettings& settings) const {
    if (!options_.networks || spec.network_mode == "none" || settings.network.kind != NamespaceChoice::Kind::own) return {};
    settings.network = {NamespaceChoice::Kind::prepared, 0, options_.networks->blocking_namespace(spec.id)};
    return options_.networks->facts_of(spec);
  }

  Launched blocking_launch(WorkloadSpec spec, const ContainerEntry& entry) {
    spec.mounts = with_own_socket(std::move(spec.mounts), options_.own_socket);
    const auto mounts = spec.mounts;
    const std::string root = entry.directory + "/rootfs";
    try {
      const OciRuntime& runtime = runtime_.blocking_runtime();
      blocking_prepare_sources(mounts);
      blocking_check_propagation(mounts);
      blocking_mount_overlay(blocking_lower_layers(entry.directory, layers_->blocking_layer_folders(spec.image_id)),
                             entry.directory + "/upper", entry.directory + "/work", root,
                             spec.host_config.auto_remove.value_or(false) ? LayerLife::thrown_away : LayerLife::kept);
      volume_mounts_.blocking_use(spec);
      spec.mounts = blocking_mount_sources(mounts, entry.directory, *layers_);
      auto settings = make_settings(spec, entry.directory, [this](const std::string& id) { return get_pid(id); });
      const NetworkFacts facts = blocking_find_network(spec, settings);
      blocking_prepare_shared_memory(settings);
      blocking_write_network_files(spec, settings, facts, entry.directory);
      for (const auto& mount : mounts) {
        if (mount.kind == MountSpec::Kind::volume && mount.subpath.empty() && mount.copy_from_image)
          blocking_copy_up(root, mount.destination, mount.source);
      }
      if (!settings.working_dir.empty()) blocking_make_folder_in_root(root, settings.working_dir);
      const OciConfig config = blocking_make_config(settings, runtime_.blocking_host());
      write_file(entry.directory + "/config.json", json::serialize(config.document));
      write_file(entry.directory + "/" + kRuntimeFileName, runtime.path + "\n");
      // The hierarchies as they are now: one may have been mounted since the daemon's start, and the monitor removes the groups.
      spec.mounts = mounts;
      return blocking_launch_run(monitor_program(), runtime, CgroupHost::blocking_detect(), spec, entry.directory);
    } catch (...) {
      const Error error = current_error();
      volume_mounts_.blocking_release(spec.id);
      blocking_unmount_all(entry.directory);
      throw StartFailure(kOtherStartFailure, error.code(), error.message());
    }
  }

  Launched blocking_exec(const WorkloadSpec& spec, const ExecSpec& exec, const ContainerEntry& entry, std::int64_t pid) {
    const OciRuntime runtime = runtime_.blocking_runtime_of(entry.directory);
    OciSettings settings = make_settings(spec, entry.directory, [](const std::string&) { return std::int64_t{1}; });
    settings.arguments = exec.arguments;
    settings.environment = exec.environment;
    if (!exec.user.empty()) settings.user = exec.user;
    if (!exec.working_dir.empty()) settings.working_dir = exec.working_dir;
    settings.tty = exec.tty;
    settings.rows = exec.console_size ? exec.console_size->height : std::uint16_t{0};
    settings.columns = exec.console_size ? exec.console_size->width : std::uint16_t{0};
    settings.privileged = settings.privileged || exec.privileged;
    settings.init = false;
    std::vector<std::string> warnings;
    // Through /proc, so that what the container has mounted over its user database counts.
    const ContainerUser user = blocking_find_user(fmt::format("/proc/{}/root", pid), settings.user, settings.group_add);
    const std::string process = fmt::format("{}/exec-{}.json", entry.directory, exec.id.short_str());
    write_file(process, json::serialize(make_process(settings, user, runtime_.blocking_host(), warnings)));
    return local::blocking_launch_exec(monitor_program(), runtime, spec.id, exec, entry.directory, process);
  }

  MonitorProgram monitor_program() const {
    return {options_.monitor_path.empty() ? default_monitor_path() : options_.monitor_path, options_.runtime_timeout};
  }

  void blocking_update(const WorkloadSpec& spec) {
    std::vector<std::string> warnings;
    const json::object resources = make_resources(make_oci_resources(spec.host_config), runtime_.blocking_host().cgroups, warnings);
    const std::string path = store_.directory_of(spec.id) + "/update.json";
    write_file(path, json::serialize(resources));
    runtime_.blocking_call(store_.directory_of(spec.id), {"update", "--resources", path, spec.id.str()}, "update");
    fs::remove(path);
  }

  Task<void> run_runtime(ContainerId id, std::string verb, std::string_view doing) {
    const auto entry = get_entry(id);
    co_await run_blocking(pool_, [this, entry, &verb, doing] { runtime_.blocking_call(entry->directory, {verb, entry->id.str()}, doing); });
  }

  Task<void> command(ContainerId id, MessageKind kind, std::int32_t a, std::int32_t b) {
    const auto entry = get_entry(id);
    const int error = co_await run_blocking(pool_, [entry, kind, a, b] { return blocking_command(entry->directory, kind, a, b); });
    if (error == ESRCH) throw Error::not_found("Container {} is not running", id.str());
    if (error != 0) throw from_errno(error, kind == MessageKind::signal ? "signal the container" : "resize the container's terminal");
  }

  Task<void> finish_removal(ContainerId id, std::shared_ptr<ContainerRun> run, std::string remains) {
    if (run) co_await run->wait_until([](const ContainerRun::State& state) { return state.finished; });
    co_await run_blocking(pool_, [this, &id, &remains] { store_.blocking_remove_remains(id, remains); });
  }

  // Set in the constructor, never changed.
  const WorkloadOptions options_;
  const std::shared_ptr<LayerSource> layers_;  // shared with the image driver
  HostRuntime runtime_;
  ContainerStore store_;
  const std::string volumes_;
  VolumeMounts volume_mounts_;
  BlockingPool& pool_;
  const asio::any_io_executor executor_;
  // Any thread.
  Guarded<std::unordered_map<ContainerId, EntryPtr>> entries_;
  TaskGroup tasks_;
  TaskGroup removals_;
  LogWatcher watcher_;
  const std::unique_ptr<FileDriver> files_ =
      make_file_driver({.layers = layers_,
                        .pool = pool_,
                        .volumes = volumes_,
                        .directory = [this](const ContainerId& id) { return get_entry(id)->directory; },
                        .settled_pid = [this](ContainerId id) { return settled_pid(std::move(id)); }});
};

}  // namespace

std::unique_ptr<WorkloadDriver> make_workload_driver(WorkloadOptions options, std::shared_ptr<LayerSource> layers, BlockingPool& pool,
                                                     asio::any_io_executor executor) {
  return std::make_unique<LocalWorkloadDriver>(std::move(options), std::move(layers), pool, std::move(executor));
}

}  // namespace sockerless::local
