#include "engine/exec_service.hpp"

#include <algorithm>

#include <boost/asio/this_coro.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/attach_keys.hpp"
#include "engine/container_config.hpp"
#include "engine/container_view.hpp"
#include "engine/exec_record.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr auto kKeptAfterEnd = std::chrono::minutes(5);
constexpr auto kWaitForStart = std::chrono::seconds(10);
constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void check_can_exec(const ContainerRecord& container, std::string_view reference) {
  const auto state = container.state();
  if (!state->is_running()) throw Error::conflict("container {} is not running", container.id().str());
  if (state->is_paused()) throw Error::conflict("Container {} is paused, unpause the container before exec", reference);
  if (state->is_restarting()) {
    throw Error::conflict("Container {} is restarting, wait until the container is running", container.id().str());
  }
}

/// Sets "NAME=value", or takes NAME away when there is no "=".
void set_variable(std::vector<std::string>& environment, const std::string& variable) {
  const std::size_t equals = variable.find('=');
  const std::string name = variable.substr(0, equals);
  const auto it = std::ranges::find_if(environment, [&](const std::string& known) { return known.starts_with(name + "="); });
  if (equals == std::string::npos) {
    if (it != environment.end()) environment.erase(it);
  } else if (it != environment.end()) {
    *it = variable;
  } else {
    environment.push_back(variable);
  }
}

std::vector<std::string> make_environment(const WorkloadSpec& container, bool tty, const std::vector<std::string>& own) {
  std::vector<std::string> environment{std::string(kDefaultPath)};
  if (container.config.hostname) environment.push_back("HOSTNAME=" + *container.config.hostname);
  if (tty) environment.emplace_back("TERM=xterm");
  for (const auto& variable : container.config.env.value_or(std::vector<std::string>())) set_variable(environment, variable);
  for (const auto& variable : own) set_variable(environment, variable);
  return environment;
}

std::optional<TerminalSize> size_of(const std::optional<std::vector<std::int64_t>>& height_width) {
  if (!height_width || height_width->size() != 2) return std::nullopt;
  const auto clamp = [](std::int64_t value) { return static_cast<std::uint16_t>(std::clamp<std::int64_t>(value, 0, 65535)); };
  return TerminalSize{clamp((*height_width)[0]), clamp((*height_width)[1])};
}

Task<void> drain(std::shared_ptr<ExecProcess> process) {
  while (co_await process->read()) {}
}

}  // namespace

ExecService::ExecService(WorkloadDriver& driver, ContainerTable& containers, EventBus& events, Clock& clock, Random& random)
    : driver_(driver), containers_(containers), events_(events), clock_(clock), random_(random), tasks_(std::make_shared<TaskGroup>()) {}

ExecService::~ExecService() = default;

Task<api::IDResponse> ExecService::create(ContainerRef container, api::ContainerExecRequest request) {
  const ContainerPtr owner = containers_.get(container.text);
  check_can_exec(*owner, container.text);
  if (!request.cmd || request.cmd->empty()) throw Error::invalid_argument("No exec command specified");
  refuse_nul("the command", request.cmd);
  refuse_nul("an environment variable", request.env);
  refuse_nul("the user", request.user);
  refuse_nul("the working directory", request.working_dir);
  std::ignore = parse_detach_keys(request.detach_keys.value_or(""));  // only to refuse what is wrong
  const auto definition = owner->definition();
  ExecSpec spec{
      .id = ExecId::parse(random_.hex64()),
      .arguments = std::move(*request.cmd),
      .environment = make_environment(definition->spec, request.tty.value_or(false), request.env.value_or(std::vector<std::string>())),
      .user = request.user.value_or("").empty() ? definition->spec.config.user.value_or("") : *request.user,
      .working_dir = request.working_dir.value_or(""),
      .tty = request.tty.value_or(false),
      .privileged = request.privileged.value_or(false),
      .attach_stdin = request.attach_stdin.value_or(false),
      .attach_stdout = request.attach_stdout.value_or(false),
      .attach_stderr = request.attach_stderr.value_or(false),
      .console_size = size_of(request.console_size)};
  const auto exec = std::make_shared<ExecRecord>(owner, std::move(spec), request.detach_keys.value_or(""));
  const std::string id = exec->spec.id.str();
  execs_.write([&](Table& table) {
    for (const TimePoint now = clock_.now(); !table.ended.empty() && now - table.ended.front().first > kKeptAfterEnd;
         table.ended.pop_front()) {
      table.by_id.erase(table.ended.front().second);
    }
    table.by_id.emplace(id, exec);
  });
  owner->exec_ids.write([&](auto& ids) { ids.push_back(id); });
  publish(*exec, "exec_create: " + exec->command_line(), {});
  api::IDResponse response;
  response.id = id;
  co_return response;
}

Task<std::unique_ptr<AttachSession>> ExecService::start(ExecRef reference, ExecStartOptions options) {
  auto exec = get(reference.text);
  check_can_exec(*exec->container, exec->container->id().str());
  exec->state.write([&](ExecRecord::State& state) {
    if (state.exit_code) throw Error::conflict("error: Exec command {} has already run", reference.text);
    if (state.running) throw Error::conflict("error: Exec command {} is already running", reference.text);
    state.running = true;
  });
  publish(*exec, "exec_start: " + exec->command_line(), {});
  std::exception_ptr failure;
  int exit_code = 126;
  bool refused = false;
  try {
    co_return co_await run(exec, options);
  } catch (const StartFailure& error) {
    exit_code = error.exit_code();
    refused = true;
    failure = std::current_exception();
  } catch (...) {
    failure = std::current_exception();
  }
  ended(*exec, exit_code);
  if (options.detach || !refused) std::rethrow_exception(failure);
  co_return make_failed_exec_session(error_of(failure).message(), options.tty ? Framing::raw : Framing::multiplexed);
}

Task<std::unique_ptr<AttachSession>> ExecService::run(std::shared_ptr<ExecRecord> exec, ExecStartOptions options) {
  ExecSpec spec = exec->spec;
  if (options.console_size) spec.console_size = options.console_size;
  if (!spec.tty) spec.console_size.reset();
  std::shared_ptr<ExecProcess> process = co_await driver_.exec(exec->container->definition()->spec, std::move(spec));
  exec->state.write([&](ExecRecord::State& state) {
    state.pid = process->pid();
    state.process = process;
  });
  exec->changed.notify();
  const auto executor = co_await asio::this_coro::executor;
  tasks_->spawn("exec watcher", executor, watch(exec, process));
  if (options.detach) {
    tasks_->spawn("detached exec", executor, drain(std::move(process)));
    co_return nullptr;
  }
  auto on_detach = [this, record = exec] { publish(*record, "exec_detach", {}); };
  co_return make_exec_session(std::move(exec), std::move(process), options.tty ? Framing::raw : Framing::multiplexed, tasks_, executor,
                              std::move(on_detach));
}

Task<void> ExecService::watch(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process) {
  int exit_code = 137;
  try {
    exit_code = co_await process->wait();
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::cancelled) throw;
    log.warn("the end of an exec is not known id={} error={}", exec->spec.id.str(), error.what());
  }
  ended(*exec, exit_code);
  publish(*exec, "exec_die", {{"exitCode", std::to_string(exit_code)}});
}

void ExecService::ended(ExecRecord& exec, int exit_code) {
  const std::string& id = exec.spec.id.str();
  exec.container->exec_ids.write([&](auto& ids) { std::erase(ids, id); });
  exec.state.write([&](ExecRecord::State& state) {
    state.running = false;
    state.exit_code = exit_code;
    state.process.reset();
  });
  execs_.write([&](Table& table) { table.ended.emplace_back(clock_.now(), id); });
  exec.changed.notify();
}

Task<void> ExecService::resize(ExecRef reference, TerminalSize size) {
  const auto exec = get(reference.text);
  check_can_exec(*exec->container, exec->container->id().str());
  const auto until = std::chrono::steady_clock::now() + kWaitForStart;
  for (;;) {
    const std::uint64_t seen = exec->changed.version();
    const ExecRecord::State state = exec->state.read([](const ExecRecord::State& now) { return now; });
    if (state.process) {
      co_await state.process->resize(size);
      co_return;
    }
    if (state.exit_code) throw Error::conflict("error: Exec command {} has already run", reference.text);
    co_await with_deadline(exec->changed.wait_changed(seen), Deadline::in(until - std::chrono::steady_clock::now()),
                           "waiting for exec session ready");
  }
}

Task<api::ExecInspectResponse> ExecService::inspect(ExecRef reference) {
  const auto exec = get(reference.text);
  const ExecRecord::State state = exec->state.read([](const ExecRecord::State& now) { return now; });
  const ExecSpec& spec = exec->spec;
  api::ExecInspectResponse response;
  response.id = spec.id.str();
  response.running = state.running;
  if (state.exit_code) response.exit_code = *state.exit_code;
  auto& process = response.process_config.emplace();
  process.tty = spec.tty;
  process.entrypoint = spec.arguments.front();
  process.arguments.emplace(spec.arguments.begin() + 1, spec.arguments.end());
  process.privileged = spec.privileged;
  if (!spec.user.empty()) process.user = spec.user;
  response.open_stdin = spec.attach_stdin;
  response.open_stderr = spec.attach_stderr;
  response.open_stdout = spec.attach_stdout;
  response.can_remove = false;
  response.container_id = exec->container->id().str();
  response.detach_keys = exec->detach_keys;
  response.pid = state.pid;
  co_return response;
}

void ExecService::forget_container(const ContainerId& container) {
  execs_.write(
      [&](Table& table) { std::erase_if(table.by_id, [&](const auto& item) { return item.second->container->id() == container; }); });
}

Task<void> ExecService::stop() { co_await tasks_->stop(std::chrono::seconds(1)); }

std::shared_ptr<ExecRecord> ExecService::get(const std::string& id) const {
  auto exec = execs_.read([&](const Table& table) {
    const auto it = table.by_id.find(id);
    return it == table.by_id.end() ? nullptr : it->second;
  });
  if (!exec || exec->container->is_removed()) throw Error::not_found("No such exec instance: {}", id);
  return exec;
}

void ExecService::publish(const ExecRecord& exec, std::string action, EventAttributes more) {
  more.merge(event_attributes(*exec.container->definition()));
  more["execID"] = exec.spec.id.str();
  events_.publish("container", std::move(action), exec.container->id().str(), std::move(more));
}

namespace {

Task<void> collect(ExecProcess& process, std::size_t limit, ExecOutcome* outcome) {
  while (const auto record = co_await process.read()) {
    const auto room = limit - std::min(limit, outcome->output.size());
    const auto part = record->payload.first(std::min(room, record->payload.size()));
    outcome->output.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  outcome->exit_code = co_await process.wait();
}

}  // namespace

Task<ExecOutcome> run_exec(WorkloadDriver& driver, WorkloadSpec spec, std::vector<std::string> arguments,
                           std::chrono::steady_clock::duration timeout, std::size_t output_limit) {
  ExecSpec exec{.id = ExecId::parse(system_random().hex64()),
                .arguments = std::move(arguments),
                .environment = make_environment(spec, false, {}),
                .user = spec.config.user.value_or(""),
                .working_dir = "",
                .attach_stdout = true,
                .attach_stderr = true,
                .console_size = {}};
  const auto process = co_await driver.exec(std::move(spec), std::move(exec));
  ExecOutcome outcome;
  if (co_await race(collect(*process, output_limit, &outcome), sleep_for(timeout)) == First::other) {
    outcome.timed_out = true;
    co_await process->kill();
  }
  co_return outcome;
}

}  // namespace sockerless
