#include "engine/container_view.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sockerless {

namespace {

/// The command as `docker ps` shows it: an argument with a space is quoted (moby's GetProcessLabel rules: entry point, then arguments).
std::string command_line(const std::vector<std::string>& arguments) {
  std::string text = arguments.front();
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto& argument = arguments[i];
    if (argument.find(' ') == std::string::npos) {
      text += ' ' + argument;
    } else {
      text += " '" + argument + "'";
    }
  }
  return text;
}

api::MountPoint mount_point_of(const MountSpec& mount, const std::string& volume_driver) {
  api::MountPoint point;
  point.destination = mount.destination;
  point.rw = !mount.read_only;
  point.mode = mount.read_only ? "ro" : "";
  point.propagation = "";
  switch (mount.kind) {
    case MountSpec::Kind::bind:
      point.type = api::MountType(api::MountType::bind);
      point.source = mount.source;
      point.propagation = mount.propagation.empty() ? "rprivate" : mount.propagation;
      break;
    case MountSpec::Kind::volume:
      point.type = api::MountType(api::MountType::volume);
      point.name = mount.volume_name;
      point.source = mount.source;
      point.driver = volume_driver.empty() ? "local" : volume_driver;
      if (!mount.read_only) point.mode = is_hex64(mount.volume_name) ? "" : "z";
      break;
    case MountSpec::Kind::image:
      point.type = api::MountType(api::MountType::image);
      point.name = mount.volume_name;
      point.source = mount.source;
      break;
    case MountSpec::Kind::tmpfs:
      point.type = api::MountType(api::MountType::tmpfs);
      point.source = "";
      point.mode = "";
      break;
  }
  return point;
}

api::Health health_of(const ContainerHealth& health) {
  api::Health result;
  result.status = api::HealthStatus(name_of(health.status));
  result.failing_streak = health.failing_streak;
  std::vector<api::HealthcheckResult> log;
  for (const auto& probe : health.log) {
    api::HealthcheckResult entry;
    entry.start = format_rfc3339(probe.start);
    entry.end = format_rfc3339(probe.end);
    entry.exit_code = probe.exit_code;
    entry.output = probe.output;
    log.push_back(std::move(entry));
  }
  result.log = std::move(log);
  return result;
}

api::ContainerState state_of(const ContainerState& state) {
  api::ContainerState result;
  result.status = api::ContainerStateStatus(name_of(state.status()));
  result.running = state.is_running();
  result.paused = state.is_paused();
  result.restarting = state.is_restarting();
  result.oom_killed = state.oom_killed();
  result.dead = state.status() == ContainerStatus::dead;
  result.pid = state.pid();
  result.exit_code = state.exit_code();
  result.error = state.error();
  result.started_at = format_rfc3339(state.started_at());
  result.finished_at = format_rfc3339(state.finished_at());
  if (state.health().status != HealthStatus::none) result.health = health_of(state.health());
  return result;
}

api::NetworkSettings network_settings_of(const ContainerNetworks& networks) {
  api::NetworkSettings settings = networks.settings;
  settings.networks = networks.endpoints;
  if (!settings.ports) settings.ports.emplace();
  return settings;
}

void show_paths(const WorkloadPaths& paths, const api::HostConfig& config, api::ContainerInspectResponse& result) {
  result.resolv_conf_path = paths.resolv_conf;
  result.hostname_path = paths.hostname;
  result.hosts_path = paths.hosts;
  const bool is_logged = !config.log_config || config.log_config->type != api::HostConfigLogConfigType::none;
  if (is_logged) result.log_path = paths.log;
}

}  // namespace

std::vector<api::MountPoint> make_mount_points(const WorkloadSpec& spec) {
  std::vector<api::MountPoint> points;
  points.reserve(spec.mounts.size());
  // --tmpfs entries are not mount points in dockerd's inspect, those of --mount are: they are told apart by where they were asked for.
  for (const auto& mount : spec.mounts) {
    if (mount.kind == MountSpec::Kind::tmpfs && spec.host_config.tmpfs && spec.host_config.tmpfs->contains(mount.destination)) continue;
    points.push_back(mount_point_of(mount, spec.host_config.volume_driver.value_or("")));
  }
  return points;
}

api::ContainerSummary make_static_summary(const ContainerDefinition& definition) {
  const WorkloadSpec& spec = definition.spec;
  api::ContainerSummary summary;
  summary.id = spec.id.str();
  summary.names = std::vector<std::string>{"/" + spec.name};
  summary.image = definition.image_name;
  summary.image_id = spec.image_id;
  summary.command = command_line(spec.arguments);
  summary.created = unix_seconds(definition.created);
  summary.labels = spec.config.labels ? *spec.config.labels : std::map<std::string, std::string>{};
  summary.host_config.emplace();
  summary.host_config->network_mode = spec.host_config.network_mode;
  if (spec.host_config.annotations && !spec.host_config.annotations->empty())
    summary.host_config->annotations = spec.host_config.annotations;
  summary.mounts = make_mount_points(spec);
  return summary;
}

api::ContainerSummary make_summary(const ContainerSnapshot& container, TimePoint now) {
  api::ContainerSummary summary = container.definition->summary;
  summary.ports = container.networks->ports;
  summary.state = api::ContainerSummaryState(name_of(container.state->status()));
  summary.status = container.state->describe(now);
  summary.network_settings.emplace();
  summary.network_settings->networks = container.networks->endpoints;
  if (container.state->health().status != HealthStatus::none) {
    summary.health.emplace();
    summary.health->status = api::ContainerSummaryHealthStatus(name_of(container.state->health().status));
    summary.health->failing_streak = container.state->health().failing_streak;
  }
  return summary;
}

api::ContainerInspectResponse make_inspect(const ContainerSnapshot& container, const InspectExtras& extras) {
  const ContainerDefinition& definition = *container.definition;
  const WorkloadSpec& spec = definition.spec;
  api::ContainerInspectResponse result;
  result.id = spec.id.str();
  result.created = format_rfc3339(definition.created);
  result.path = spec.arguments.front();
  result.args = std::vector<std::string>(spec.arguments.begin() + 1, spec.arguments.end());
  result.state = state_of(*container.state);
  result.image = spec.image_id;
  if (container.state->started_at() != kNever) show_paths(extras.paths, spec.host_config, result);
  result.name = "/" + spec.name;
  result.restart_count = container.state->restart_count();
  result.driver = extras.storage_driver;
  result.platform = definition.platform;
  result.mount_label = "";
  result.process_label = "";
  result.app_armor_profile = "";
  if (!extras.exec_ids.empty()) result.exec_ids = extras.exec_ids;
  result.host_config = spec.host_config;
  result.graph_driver.emplace();
  result.graph_driver->name = extras.storage_driver;
  if (!extras.paths.layers.empty()) result.graph_driver->data = extras.paths.layers;
  result.mounts = make_mount_points(spec);
  result.config = spec.config;
  result.network_settings = network_settings_of(*container.networks);
  return result;
}

std::map<std::string, std::string> event_attributes(const ContainerDefinition& definition) {
  std::map<std::string, std::string> attributes;
  if (definition.spec.config.labels) attributes = *definition.spec.config.labels;
  if (!definition.image_name.empty()) attributes["image"] = definition.image_name;
  attributes["name"] = definition.spec.name;
  return attributes;
}

}  // namespace sockerless
