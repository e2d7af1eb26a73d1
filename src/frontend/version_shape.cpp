#include "frontend/version_shape.hpp"

#include <algorithm>
#include <string_view>

#include "base/time.hpp"

namespace sockerless::frontend {

namespace {

using api::ApiVersion;

bool below(ApiVersion version, int minor) { return version < ApiVersion{1, minor}; }

/// Adds a member that the newest document no longer names.
void add_member(api::UnknownMembers& members, std::string_view name, std::string json) {
  for (auto& [key, value] : members) {
    if (key == name) {
      value.text = std::move(json);
      return;
    }
  }
  members.emplace_back(std::string(name), api::RawJson{std::move(json)});
}

bool is_user_defined(std::string_view network) {
  return network != "bridge" && network != "default" && network != "host" && network != "none" && !network.starts_with("container:");
}

void append_alias(std::vector<std::string>& aliases, const std::string& alias) {
  if (!alias.empty() && std::ranges::find(aliases, alias) == aliases.end()) aliases.push_back(alias);
}

void add_legacy_aliases(api::ContainerInspectResponse& container) {
  if (!container.network_settings || !container.network_settings->networks) return;
  const std::string short_id = container.id.value_or("").substr(0, 12);
  const std::string hostname = container.config ? container.config->hostname.value_or("") : "";
  for (auto& [name, endpoint] : *container.network_settings->networks) {
    if (!is_user_defined(name)) continue;
    if (!endpoint.aliases) endpoint.aliases.emplace();
    append_alias(*endpoint.aliases, short_id);
    append_alias(*endpoint.aliases, hostname);
  }
}

/// Before 1.52 the default network's addresses stand once more beside the networks.
void copy_bridge_endpoint(api::NetworkSettings& settings) {
  if (!settings.networks) return;
  const auto found = settings.networks->find("bridge");
  if (found == settings.networks->end()) return;
  const api::EndpointSettings& bridge = found->second;
  settings.endpoint_id = bridge.endpoint_id;
  settings.gateway = bridge.gateway;
  settings.global_ipv6_address = bridge.global_ipv6_address;
  settings.global_ipv6_prefix_len = bridge.global_ipv6_prefix_len;
  settings.ip_address = bridge.ip_address;
  settings.ip_prefix_len = bridge.ip_prefix_len;
  settings.ipv6_gateway = bridge.ipv6_gateway;
  settings.mac_address = bridge.mac_address;
}

template <typename T>
void default_to_empty(std::optional<T>& member) {
  if (!member) member.emplace();
}

/// What an image's configuration held of a container's before 1.50; never anything but empty.
void add_container_members(api::ImageConfig& config) {
  default_to_empty(config.hostname);
  default_to_empty(config.domainname);
  default_to_empty(config.attach_stdin);
  default_to_empty(config.attach_stdout);
  default_to_empty(config.attach_stderr);
  default_to_empty(config.tty);
  default_to_empty(config.open_stdin);
  default_to_empty(config.stdin_once);
  default_to_empty(config.image);
}

void remove_container_members(api::ImageConfig& config) {
  config.hostname.reset();
  config.domainname.reset();
  config.attach_stdin.reset();
  config.attach_stdout.reset();
  config.attach_stderr.reset();
  config.tty.reset();
  config.open_stdin.reset();
  config.stdin_once.reset();
  config.image.reset();
}

void shape_commit(std::optional<api::Commit>& commit, ApiVersion version) {
  if (!commit) return;
  if (below(version, 49)) {
    commit->expected = commit->id.value_or("");
  } else {
    commit->expected.reset();
  }
}

/// "name=seccomp,profile=builtin" was "seccomp" before options had parameters.
void shape_security_options(api::SystemInfo& info) {
  if (!info.security_options) return;
  for (std::string& option : *info.security_options) {
    if (!option.starts_with("name=")) continue;
    option = option.substr(5, option.find(',') == std::string::npos ? std::string::npos : option.find(',') - 5);
  }
}

}  // namespace

void shape(api::ContainerSummary& container, ApiVersion version) {
  if (below(version, 52)) container.health.reset();
  if (below(version, 48)) container.image_manifest_descriptor.reset();
  if (below(version, 46) && container.host_config) container.host_config->annotations.reset();
  if (below(version, 25) && container.state && container.state->str() == "removing") container.state = api::ContainerSummaryState("exited");
}

void shape(api::ContainerInspectResponse& container, ApiVersion version) {
  if (below(version, 52) && container.network_settings) copy_bridge_endpoint(*container.network_settings);
  if (below(version, 48)) container.image_manifest_descriptor.reset();
  if (below(version, 45)) add_legacy_aliases(container);
  if (below(version, 25) && container.state && container.state->status && container.state->status->str() == "removing") {
    container.state->status = api::ContainerStateStatus("exited");
  }
}

void shape(api::ContainerStatsResponse& stats, ApiVersion version) {
  if (!below(version, 27)) return;
  if (stats.cpu_stats) stats.cpu_stats->online_cpus.reset();
  if (stats.precpu_stats) stats.precpu_stats->online_cpus.reset();
}

void shape(api::ImageSummary& image, ApiVersion version) {
  if (below(version, 51)) image.containers = -1;
  if (below(version, 48)) image.descriptor.reset();
  if (below(version, 47)) image.manifests.reset();
  if (below(version, 44)) add_member(image.unknown, "VirtualSize", std::to_string(image.size));
  if (below(version, 43) && image.repo_tags.empty() && image.repo_digests.empty()) {
    image.repo_tags = {"<none>:<none>"};
    image.repo_digests = {"<none>@<none>"};
  }
}

void shape(api::ImageInspect& image, ApiVersion version) {
  if (below(version, 53)) image.identity.reset();
  if (image.config) {
    if (below(version, 50)) {
      add_container_members(*image.config);
    } else {
      remove_container_members(*image.config);
    }
  }
  if (below(version, 48)) {
    image.descriptor.reset();
    image.manifests.reset();
  }
  if (below(version, 45)) {
    default_to_empty(image.container);
    default_to_empty(image.container_config);
  } else {
    image.container.reset();
    image.container_config.reset();
  }
  if (below(version, 44)) {
    add_member(image.unknown, "VirtualSize", std::to_string(image.size.value_or(0)));
    if (image.created.value_or("").empty()) image.created = format_rfc3339(kNever);
  } else if (image.created && (image.created->empty() || *image.created == format_rfc3339(kNever))) {
    image.created.reset();
  }
}

void shape(api::NetworkInspect& network, ApiVersion version) {
  if (below(version, 52)) network.status.reset();
}

void shape(api::SystemInfo& info, ApiVersion version) {
  if (below(version, 53)) info.nri.reset();
  if (below(version, 50)) {
    info.discovered_devices.reset();
    info.bridge_nf_iptables = false;
    info.bridge_nf_ip6tables = false;
  } else {
    info.bridge_nf_iptables.reset();
    info.bridge_nf_ip6tables.reset();
  }
  if (below(version, 49)) info.firewall_backend.reset();
  shape_commit(info.containerd_commit, version);
  shape_commit(info.runc_commit, version);
  shape_commit(info.init_commit, version);
  if (below(version, 47) && info.registry_config) {
    add_member(info.registry_config->unknown, "AllowNondistributableArtifactsCIDRs", "null");
    add_member(info.registry_config->unknown, "AllowNondistributableArtifactsHostnames", "null");
  }
  if (below(version, 46)) info.containerd.reset();
  if (below(version, 44) && info.runtimes) {
    for (auto& [name, runtime] : *info.runtimes) runtime.status.reset();
  }
  if (below(version, 39)) {
    if (info.kernel_version.value_or("").empty()) info.kernel_version = "<unknown>";
    if (info.operating_system.value_or("").empty()) info.operating_system = "<unknown>";
  }
  if (below(version, 25)) {
    shape_security_options(info);
    add_member(info.unknown, "ExecutionDriver", "\"<not supported>\"");
  }
}

void shape(api::SystemVersion& system_version, ApiVersion version) {
  if (below(version, 35)) {
    system_version.platform.reset();
    system_version.components.reset();
  }
  if (below(version, 25)) system_version.min_api_version.reset();
}

void shape(api::SystemDataUsageResponse& usage, ApiVersion version) {
  if (usage.images) {
    for (api::ImageSummary& image : *usage.images) {
      const std::int64_t containers = image.containers;  // here it was always the true count
      shape(image, version);
      image.containers = containers;
    }
  }
  if (usage.containers) {
    for (api::ContainerSummary& container : *usage.containers) shape(container, version);
  }
  if (below(version, 42)) {
    std::int64_t size = 0;
    if (usage.build_cache) {
      for (const api::BuildCache& cache : *usage.build_cache) size += cache.size.value_or(0);
    }
    add_member(usage.unknown, "BuilderSize", std::to_string(size));
  }
  if (below(version, 52)) {
    usage.image_usage.reset();
    usage.container_usage.reset();
    usage.volume_usage.reset();
    usage.build_cache_usage.reset();
  }
}

void shape(api::EventMessage& event, ApiVersion version) {
  event.status.reset();
  event.id.reset();
  event.from.reset();
  if (!below(version, 52) || !event.type) return;
  const bool container = event.type->str() == "container";
  if (!container && event.type->str() != "image") return;
  event.status = event.action;
  if (!event.actor) return;
  event.id = event.actor->id;
  if (!container || !event.actor->attributes) return;
  const auto image = event.actor->attributes->find("image");
  if (image != event.actor->attributes->end()) event.from = image->second;
}

bool is_shown(const api::EventMessage& event, ApiVersion version) {
  const bool image_create = event.type && event.type->str() == "image" && event.action == "create";
  return !image_create || !below(version, 46);
}

void adjust(api::ContainerUpdateRequest& request, ApiVersion version) {
  if (below(version, 40)) request.pids_limit.reset();
  if (request.pids_limit && *request.pids_limit < 0) request.pids_limit = 0;  // both mean unlimited
}

void adjust(api::ContainerExecRequest& request, ApiVersion version) {
  if (below(version, 42)) request.console_size.reset();
}

void adjust(api::ExecStartRequest& request, ApiVersion version) {
  if (below(version, 42) || !request.tty.value_or(false)) request.console_size.reset();
}

void adjust(api::NetworkCreateRequest& request, ApiVersion version) {
  if (below(version, 48)) request.enable_ipv4.reset();
}

void adjust(api::NetworkConnectRequest& request, ApiVersion version) {
  if (below(version, 54) && request.endpoint_config) request.endpoint_config->mac_address.reset();
}

}  // namespace sockerless::frontend
