#include "backends/local/workload_settings.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/local/container_store.hpp"
#include "backends/local/device_list.hpp"
#include "backends/local/network/hosts_file.hpp"
#include "backends/local/runtime_mounts.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kContainerPrefix = "container:";

template <typename T>
T value(const std::optional<T>& option) {
  return option.value_or(T{});
}

NamespaceChoice choose(const std::string& mode, const FindPid& find_pid) {
  if (mode == "host") return {NamespaceChoice::Kind::host, 0, {}};
  if (mode.starts_with(kContainerPrefix)) return {NamespaceChoice::Kind::of_process, find_pid(mode.substr(kContainerPrefix.size())), {}};
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string hostname_of(const WorkloadSpec& spec) {
  if (const std::string name = value(spec.config.hostname); !name.empty()) return name;
  return spec.network_mode == "host" || value(spec.host_config.uts_mode) == "host" ? host_name() : spec.id.short_str();
}

void add_mounts(const WorkloadSpec& spec, OciSettings& settings) {
  for (const auto& mount : spec.mounts) {
    OciMount one;
    one.kind = mount.kind == MountSpec::Kind::tmpfs ? OciMount::Kind::tmpfs : OciMount::Kind::bind;
    one.source = mount.source;
    one.destination = mount.destination;
    one.read_only = mount.read_only;
    one.recursive = !mount.non_recursive;
    one.read_only_below = mount.kind == MountSpec::Kind::bind && !mount.read_only_non_recursive;
    one.force_read_only_below = mount.read_only_force_recursive;
    one.propagation = mount.propagation;
    one.tmpfs_options = mount.tmpfs_options;
    settings.mounts.push_back(std::move(one));
  }
}

void add_devices(const WorkloadSpec& spec, OciSettings& settings) {
  for (const auto& device : value(spec.host_config.devices)) {
    settings.devices.push_back({value(device.path_on_host), value(device.path_in_container), value(device.cgroup_permissions)});
  }
  settings.device_cgroup_rules = value(spec.host_config.device_cgroup_rules);
  for (const auto& ulimit : value(spec.host_config.ulimits)) {
    settings.ulimits.push_back({value(ulimit.name), value(ulimit.soft), value(ulimit.hard)});
  }
}

/// Docker's words where nothing on the host serves the request.
[[noreturn]] void throw_no_device_driver(const api::DeviceRequest& request) {
  std::string sets;
  for (const auto& set : value(request.capabilities)) sets += fmt::format("{}[{}]", sets.empty() ? "" : " ", fmt::join(set, " "));
  throw Error::internal("could not select device driver \"{}\" with capabilities: [{}]", value(request.driver), sets);
}

void refuse_unsupported(const api::HostConfig& host) {
  if (!value(host.device_requests).empty()) {
    throw_no_device_driver(value(host.device_requests).front());
  }
  if (const std::string mode = value(host.userns_mode); !mode.empty() && mode != "host") {
    throw Error::not_implemented("UsernsMode \"{}\" is not supported by the local backend", mode);
  }
  static const std::set<std::string> kRuntimes = {"", "crun", "runc", "io.containerd.runc.v2"};  // --runtime of the daemon decides which
  if (!kRuntimes.contains(value(host.runtime))) throw Error::invalid_argument("unknown or invalid runtime name: {}", value(host.runtime));
  if (!value(host.storage_opt).empty())
    throw Error::internal("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
}

}  // namespace

OciResources make_oci_resources(const api::HostConfig& host) {
  OciResources resources;
  resources.memory = value(host.memory);
  resources.memory_swap = value(host.memory_swap);
  resources.memory_reservation = value(host.memory_reservation);
  resources.memory_swappiness = host.memory_swappiness;
  resources.oom_kill_disable = value(host.oom_kill_disable);
  resources.nano_cpus = value(host.nano_cpus);
  resources.cpu_shares = value(host.cpu_shares);
  resources.cpu_quota = value(host.cpu_quota);
  resources.cpu_period = value(host.cpu_period);
  resources.cpuset_cpus = value(host.cpuset_cpus);
  resources.cpuset_mems = value(host.cpuset_mems);
  resources.pids_limit = value(host.pids_limit);
  resources.blkio_weight = value(host.blkio_weight);
  const auto add_limits = [&](const char* member, const auto& limits) {
    for (const auto& limit : value(limits))
      resources.device_limits.push_back({member, value(limit.path), static_cast<std::uint64_t>(value(limit.rate))});
  };
  add_limits("throttleReadBpsDevice", host.blkio_device_read_bps);
  add_limits("throttleWriteBpsDevice", host.blkio_device_write_bps);
  add_limits("throttleReadIOPSDevice", host.blkio_device_read_iops);
  add_limits("throttleWriteIOPSDevice", host.blkio_device_write_iops);
  return resources;
}

OciSettings make_settings(const WorkloadSpec& spec, const std::string& directory, const FindPid& find_pid) {
  const auto& config = spec.config;
  const auto& host = spec.host_config;
  refuse_unsupported(host);
  OciSettings settings;
  settings.id = spec.id.str();
  settings.root = directory + "/rootfs";
  settings.directory = directory;
  settings.arguments = spec.arguments;
  settings.environment = value(config.env);
  settings.working_dir = value(config.working_dir);
  settings.user = value(config.user);
  settings.group_add = value(host.group_add);
  settings.hostname = hostname_of(spec);
  settings.domainname = value(config.domainname);
  settings.tty = value(config.tty);
  if (const auto size = value(host.console_size); size.size() == 2 && size[0] > 0 && size[1] > 0) {
    settings.rows = static_cast<std::uint16_t>(size[0]);
    settings.columns = static_cast<std::uint16_t>(size[1]);
  }
  settings.privileged = value(host.privileged);
  settings.read_only_root = value(host.readonly_rootfs);
  settings.init = value(host.init);
  settings.cap_add = value(host.cap_add);
  settings.cap_drop = value(host.cap_drop);
  settings.security_opt = value(host.security_opt);
  settings.masked_paths = host.masked_paths;
  settings.read_only_paths = host.readonly_paths;
  if (std::ranges::find(settings.security_opt, "systempaths=unconfined") != settings.security_opt.end()) {
    settings.masked_paths.emplace();
    settings.read_only_paths.emplace();
  }
  add_mounts(spec, settings);
  add_devices(spec, settings);
  settings.shm_size = value(host.shm_size);
  settings.sysctls = value(host.sysctls);
  settings.annotations = value(host.annotations);
  settings.oom_score_adj = value(host.oom_score_adj);
  settings.network = choose(spec.network_mode, find_pid);
  settings.ipc = choose(value(host.ipc_mode), find_pid);
  settings.ipc_none = value(host.ipc_mode) == "none";
  if (settings.ipc.kind == NamespaceChoice::Kind::of_process) {
    const std::string other = value(host.ipc_mode).substr(kContainerPrefix.size());
    settings.shm_source = (fs::path(directory).parent_path() / other / "shm").string();
  } else if (value(host.ipc_mode) == "shareable") {
    settings.shm_source = directory + "/shm";
  }
  settings.pid_namespace = choose(value(host.pid_mode), find_pid);
  settings.uts = choose(value(host.uts_mode), find_pid);
  if (host.cgroupns_mode && host.cgroupns_mode->value() != api::HostConfigCgroupnsMode::other) {
    settings.own_cgroup_namespace = host.cgroupns_mode->value() == api::HostConfigCgroupnsMode::private_;
  }
  settings.resources = make_oci_resources(host);
  return settings;
}

std::vector<std::string> check_workload(const WorkloadSpec& spec, const OciHost& host) {
  const OciSettings settings = make_settings(spec, {}, [](const std::string&) { return std::int64_t{1}; });
  std::vector<std::string> warnings = check_settings(settings, host);
  const auto& options = spec.host_config;
  if (value(options.oom_kill_disable) && value(options.memory) == 0) {
    warnings.emplace_back(
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
  }
  if (!value(options.cgroup_parent).empty()) warnings.emplace_back("CgroupParent is ignored by the local backend.");
  if (!value(options.blkio_weight_device).empty())
    warnings.emplace_back("Block I/O weights of single devices are ignored by the local backend.");
  return warnings;
}

void blocking_prepare_sources(const std::vector<MountSpec>& mounts) {
  for (const auto& mount : mounts) {
    if (mount.kind != MountSpec::Kind::bind) continue;
    std::error_code error;
    if (fs::exists(fs::symlink_status(mount.source, error))) continue;
    if (!mount.create_source) {
      throw Error::invalid_argument("invalid mount config for type \"bind\": bind source path does not exist: {}", mount.source);
    }
    fs::create_directories(mount.source, error);
    if (error)
      throw Error::invalid_argument("error while creating mount source path '{}': mkdir {}: {}", mount.source, mount.source,
                                    error.message());
  }
}

namespace {

std::string read_text(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_public_file(const std::string& path, const std::string& text) {
  write_file(path, text);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read |
                            fs::perms::others_read);  // every user of the container
}

/// "host-gateway" is the host as the container sees it.
std::vector<std::string> resolve_extra_hosts(std::vector<std::string> extra, const NetworkFacts& facts) {
  constexpr std::string_view kHostGateway = "host-gateway";
  for (auto& entry : extra) {
    if (!facts.host_gateway.empty() && entry.ends_with(kHostGateway))
      entry.replace(entry.size() - kHostGateway.size(), kHostGateway.size(), facts.host_gateway);
  }
  return extra;
}

std::string hosts_text(const WorkloadSpec& spec, const OciSettings& settings, const NetworkFacts& facts) {
  const auto extra = resolve_extra_hosts(value(spec.host_config.extra_hosts), facts);
  if (settings.network.kind == NamespaceChoice::Kind::host) {
    const std::string base = make_hosts_file({}, {}, {});
    return read_text("/etc/hosts") + make_hosts_file(extra, {}, {}).substr(base.size());
  }
  std::string text = make_hosts_file(extra, {}, {});
  for (const auto& [address, names] : facts.neighbours) text = add_hosts_line(std::move(text), address, names);
  for (const auto& address : facts.addresses)
    text = add_hosts_line(std::move(text), address, own_names(settings.hostname, settings.domainname));
  return text;
}

}  // namespace

void blocking_write_network_files(const WorkloadSpec& spec, const OciSettings& settings, const NetworkFacts& facts,
                                  const std::string& directory) {
  const auto& host = spec.host_config;
  write_public_file(directory + "/hostname", settings.hostname + "\n");
  write_public_file(directory + "/hosts", hosts_text(spec, settings, facts));
  // On a user network its own name server is asked, and that one asks those of the container's options.
  write_public_file(
      directory + "/resolv.conf",
      make_resolv_conf(read_text("/etc/resolv.conf"), facts.name_servers.empty() ? value(host.dns) : facts.name_servers,
                       value(host.dns_search), value(host.dns_options), settings.network.kind == NamespaceChoice::Kind::host));
}

}  // namespace sockerless::local
