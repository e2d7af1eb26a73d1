#include "engine/health_monitor.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_view.hpp"

namespace sockerless {

namespace {

using namespace std::chrono_literals;

Logger log("engine");

constexpr Duration kDefaultInterval = 30s;
constexpr Duration kDefaultTimeout = 30s;
constexpr Duration kDefaultStartInterval = 5s;
constexpr int kDefaultRetries = 3;
constexpr std::size_t kKeptOutput = 4096;
constexpr int kNotRun = -1;  // the exit code of a probe that did not end by itself

Duration duration_or(const std::optional<std::int64_t>& nanoseconds, Duration otherwise) {
  return nanoseconds.value_or(0) > 0 ? Duration(*nanoseconds) : otherwise;
}

std::vector<std::string> probe_command(const api::ContainerConfig& config) {
  const auto& test = *config.healthcheck->test;
  std::vector<std::string> command;
  if (test.front() == "CMD-SHELL") {
    command = config.shell && !config.shell->empty() ? *config.shell : std::vector<std::string>{"/bin/sh", "-c"};
  }
  command.insert(command.end(), test.begin() + 1, test.end());
  return command;
}

/// "30s", "1m30s": Go's time.Duration.
std::string go_duration(Duration duration) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
  const double seconds = static_cast<double>(milliseconds % 60'000) / 1000;
  if (milliseconds < 60'000) return fmt::format("{}s", seconds);
  return fmt::format("{}m{}s", milliseconds / 60'000, seconds);
}

/// One probe; its failure to run is an outcome too.
Task<HealthProbe> run_probe(EngineContext& context, ContainerPtr record) {
  const auto definition = record->definition();
  const auto& config = definition->spec.config;
  const auto command = probe_command(config);
  const Duration timeout = duration_or(config.healthcheck->timeout, kDefaultTimeout);
  auto attributes = event_attributes(*definition);
  attributes["execID"] = context.random.hex64();
  const std::string text = fmt::format("{}", fmt::join(command, " "));
  context.events.publish("container", "exec_create: " + text, record->id().str(), attributes);
  context.events.publish("container", "exec_start: " + text, record->id().str(), attributes);
  HealthProbe probe;
  probe.start = context.clock.now();
  try {
    auto outcome = co_await run_exec(context.workloads, definition->spec, command, timeout, kKeptOutput);
    probe.exit_code = outcome.timed_out ? kNotRun : outcome.exit_code;
    probe.output = outcome.timed_out ? fmt::format("Health check exceeded timeout ({})", go_duration(timeout)) : std::move(outcome.output);
  } catch (const StartFailure& failure) {
    probe.exit_code = failure.exit_code();
    probe.output = failure.message();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw;
    probe.exit_code = kNotRun;
    probe.output = error.message();
  }
  probe.end = context.clock.now();
  attributes["exitCode"] = std::to_string(probe.exit_code);
  context.events.publish("container", "exec_die", record->id().str(), std::move(attributes));
  co_return probe;
}

void record_probe(EngineContext& context, ContainerRecord& record, HealthProbe probe) {
  const auto definition = record.definition();
  record.change_state([&](ContainerState& state) {
    if (!state.has_process()) return;
    const Duration since_start = probe.end - state.started_at();
    const auto verdict = judge_probe(*definition->spec.config.healthcheck, state.health(), probe.exit_code, since_start);
    if (state.add_probe(std::move(probe), verdict.status, verdict.failing_streak)) {
      context.events.publish("container", fmt::format("health_status: {}", name_of(verdict.status)), record.id().str(),
                             event_attributes(*definition));
    }
  });
}

}  // namespace

bool has_health_check(const api::ContainerConfig& config) {
  if (!config.healthcheck || !config.healthcheck->test || config.healthcheck->test->size() < 2) return false;
  return config.healthcheck->test->front() == "CMD" || config.healthcheck->test->front() == "CMD-SHELL";
}

HealthVerdict judge_probe(const api::HealthConfig& config, const ContainerHealth& before, int exit_code, Duration since_start) {
  if (exit_code == 0) return {HealthStatus::healthy, 0};
  HealthVerdict verdict{before.status, before.failing_streak};
  const bool in_start_period = before.status == HealthStatus::starting && since_start < Duration(config.start_period.value_or(0));
  if (in_start_period) return verdict;
  ++verdict.failing_streak;
  const auto retries = config.retries.value_or(0) > 0 ? *config.retries : kDefaultRetries;
  if (verdict.failing_streak >= retries) verdict.status = HealthStatus::unhealthy;
  return verdict;
}

Duration probe_interval(const api::HealthConfig& config, HealthStatus status, Duration since_start) {
  const bool in_start_period = status == HealthStatus::starting && since_start < Duration(config.start_period.value_or(0));
  return in_start_period ? duration_or(config.start_interval, kDefaultStartInterval) : duration_or(config.interval, kDefaultInterval);
}

Task<void> monitor_health(EngineContext& context, ContainerPtr record) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  for (;;) {
    const auto definition = record->definition();
    const auto state = record->state();
    co_await sleep_for(
        probe_interval(*definition->spec.config.healthcheck, state->health().status, context.clock.now() - state->started_at()));
    if (record->state()->is_paused()) continue;
    record_probe(context, *record, co_await run_probe(context, record));
    const auto health = record->state()->health();
    log.debug("health probed id={} status={} streak={}", record->id().short_str(), name_of(health.status), health.failing_streak);
  }
}

}  // namespace sockerless
