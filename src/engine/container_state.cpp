#include "engine/container_state.hpp"

#include <array>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::array<std::string_view, 7> kStatusNames{"created", "running", "paused", "restarting", "removing", "exited", "dead"};
constexpr std::array<std::string_view, 4> kHealthNames{"none", "starting", "healthy", "unhealthy"};
constexpr std::size_t kKeptProbes = 5;

}  // namespace

std::string_view name_of(ContainerStatus status) { return kStatusNames.at(static_cast<std::size_t>(status)); }

std::optional<ContainerStatus> find_container_status(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == name) return static_cast<ContainerStatus>(i);
  }
  return std::nullopt;
}

std::string_view name_of(HealthStatus status) { return kHealthNames.at(static_cast<std::size_t>(status)); }

void ContainerState::check_can_start(std::string_view id) const {
  switch (status_) {
    case ContainerStatus::paused:
      throw Error::conflict("cannot start a paused container, try unpause instead");
    case ContainerStatus::running:
    case ContainerStatus::restarting:
      throw Error::not_modified("container {} is already running", id);
    case ContainerStatus::removing:
    case ContainerStatus::dead:
      throw Error::conflict("container is marked for removal and cannot be started");
    case ContainerStatus::created:
    case ContainerStatus::exited:
      return;
  }
}

void ContainerState::started(std::int64_t pid, TimePoint at) {
  status_ = ContainerStatus::running;
  pid_ = pid;
  exit_code_ = 0;
  oom_killed_ = false;
  error_.clear();
  started_at_ = at;
  ++run_;
}

void ContainerState::start_failed(int exit_code, std::string error, TimePoint at) {
  // Docker leaves a container that never ran as "created", with the code and the reason.
  const bool never_ran = started_at_ == kNever;
  if (status_ == ContainerStatus::restarting) ++exits_;
  status_ = never_ran ? ContainerStatus::created : ContainerStatus::exited;
  pid_ = 0;
  exit_code_ = exit_code;
  last_exit_code_ = exit_code;
  error_ = std::move(error);
  if (!never_ran) finished_at_ = at;
  ended_runs_ = ++run_;
}

void ContainerState::ended(int exit_code, bool oom_killed, std::string error, TimePoint at, bool restarting) {
  status_ = restarting ? ContainerStatus::restarting : ContainerStatus::exited;
  pid_ = 0;
  exit_code_ = exit_code;
  last_exit_code_ = exit_code;
  oom_killed_ = oom_killed;
  error_ = std::move(error);
  finished_at_ = at;
  ended_runs_ = run_;
  ++exits_;
  // Docker's: a container that nobody watches over any more is not healthy.
  if (health_.status != HealthStatus::none) health_.status = HealthStatus::unhealthy;
}

void ContainerState::restart_cancelled() {
  if (status_ == ContainerStatus::restarting) status_ = ContainerStatus::exited;
}

void ContainerState::pause(std::string_view id) {
  if (!is_running()) throw Error::conflict("container {} is not running", id);
  if (status_ == ContainerStatus::paused) throw Error::conflict("container {} is already paused", id);
  if (status_ == ContainerStatus::restarting) {
    throw Error::conflict("container {} is restarting, wait until the container is running", id);
  }
  status_ = ContainerStatus::paused;
}

void ContainerState::unpause(std::string_view id) {
  if (status_ != ContainerStatus::paused) throw Error::conflict("container {} is not paused", id);
  status_ = ContainerStatus::running;
}

void ContainerState::begin_removal(std::string_view id) {
  if (status_ == ContainerStatus::removing) throw Error::conflict("removal of container {} is already in progress", id);
  SOCKERLESS_ASSERT(!has_process(), "whoever removes a container has ended its process");
  status_ = ContainerStatus::removing;
}

void ContainerState::mark_dead() { status_ = ContainerStatus::dead; }

void ContainerState::reset_health(HealthStatus status) {
  health_ = ContainerHealth{};
  health_.status = status;
}

bool ContainerState::add_probe(HealthProbe probe, HealthStatus status, int failing_streak) {
  health_.log.push_back(std::move(probe));
  if (health_.log.size() > kKeptProbes) health_.log.pop_front();
  health_.failing_streak = failing_streak;
  return std::exchange(health_.status, status) != status;
}

std::string ContainerState::describe(TimePoint now) const {
  const auto since = [&](TimePoint then) { return human_duration(now - then); };
  switch (status_) {
    case ContainerStatus::created:
      return "Created";
    case ContainerStatus::paused:
      return fmt::format("Up {} (Paused)", since(started_at_));
    case ContainerStatus::restarting:
      return fmt::format("Restarting ({}) {} ago", exit_code_, since(finished_at_));
    case ContainerStatus::removing:
      return "Removal In Progress";
    case ContainerStatus::dead:
      return "Dead";
    case ContainerStatus::exited:
      return finished_at_ == kNever ? std::string() : fmt::format("Exited ({}) {} ago", exit_code_, since(finished_at_));
    case ContainerStatus::running:
      break;
  }
  if (health_.status == HealthStatus::none) return fmt::format("Up {}", since(started_at_));
  if (health_.status == HealthStatus::starting) return fmt::format("Up {} (health: starting)", since(started_at_));
  return fmt::format("Up {} ({})", since(started_at_), name_of(health_.status));
}

namespace {

std::int64_t stamp(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint time_of(const boost::json::object& object, std::string_view key) {
  return TimePoint(Duration(object.at(key).to_number<std::int64_t>()));
}
std::string text_of(const boost::json::object& object, std::string_view key) { return std::string(object.at(key).as_string()); }

boost::json::object health_document(const ContainerHealth& health) {
  boost::json::array probes;
  for (const auto& probe : health.log) {
    probes.push_back({{"start", stamp(probe.start)}, {"end", stamp(probe.end)}, {"exit_code", probe.exit_code}, {"output", probe.output}});
  }
  return {{"status", static_cast<int>(health.status)}, {"failing_streak", health.failing_streak}, {"log", std::move(probes)}};
}

ContainerHealth health_of(const boost::json::object& object) {
  ContainerHealth health;
  health.status = static_cast<HealthStatus>(object.at("status").to_number<int>());
  if (static_cast<std::size_t>(health.status) >= kHealthNames.size()) throw Error::invalid_argument("unknown health status");
  health.failing_streak = object.at("failing_streak").to_number<int>();
  for (const auto& item : object.at("log").as_array()) {
    const auto& probe = item.as_object();
    health.log.push_back(
        {time_of(probe, "start"), time_of(probe, "end"), probe.at("exit_code").to_number<int>(), text_of(probe, "output")});
  }
  return health;
}

}  // namespace

std::string ContainerState::to_json() const {
  return boost::json::serialize(boost::json::object{{"status", name_of(status_)},
                                                    {"pid", pid_},
                                                    {"exit_code", exit_code_},
                                                    {"last_exit_code", last_exit_code_},
                                                    {"oom_killed", oom_killed_},
                                                    {"manually_stopped", manually_stopped_},
                                                    {"restart_count", restart_count_},
                                                    {"error", error_},
                                                    {"started_at", stamp(started_at_)},
                                                    {"finished_at", stamp(finished_at_)},
                                                    {"run", run_},
                                                    {"ended_runs", ended_runs_},
                                                    {"health", health_document(health_)}});
}

ContainerState ContainerState::from_json(std::string_view json) {
  try {
    const auto document = boost::json::parse({json.data(), json.size()});
    const auto& object = document.as_object();
    ContainerState state;
    const auto status = find_container_status(object.at("status").as_string());
    if (!status) throw Error::invalid_argument("unknown container status");
    state.status_ = *status;
    state.pid_ = object.at("pid").to_number<std::int64_t>();
    state.exit_code_ = object.at("exit_code").to_number<int>();
    state.last_exit_code_ = object.at("last_exit_code").to_number<int>();
    state.oom_killed_ = object.at("oom_killed").as_bool();
    state.manually_stopped_ = object.at("manually_stopped").as_bool();
    state.restart_count_ = object.at("restart_count").to_number<int>();
    state.error_ = text_of(object, "error");
    state.started_at_ = time_of(object, "started_at");
    state.finished_at_ = time_of(object, "finished_at");
    state.run_ = object.at("run").to_number<std::uint64_t>();
    state.ended_runs_ = object.at("ended_runs").to_number<std::uint64_t>();
    state.health_ = health_of(object.at("health").as_object());
    return state;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    throw Error::invalid_argument("not a container state: {}", failure.what());
  }
}

}  // namespace sockerless
