#include "engine/container_config.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <thread>
#include <utility>

#include "api/signal.hpp"
#include "base/error.hpp"
#include "engine/ipam.hpp"

namespace sockerless {

namespace {

constexpr std::int64_t kMinimumMemory = 6LL * 1024 * 1024;
constexpr std::int64_t kDefaultShmSize = 64LL * 1024 * 1024;
constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;

template <typename List>
bool is_empty(const std::optional<List>& list) {
  return !list || list->empty();
}

void validate_environment(const std::vector<std::string>& environment) {
  for (const auto& entry : environment) {
    if (entry.empty() || entry.front() == '=') throw Error::invalid_argument("invalid environment variable: {}", entry);
  }
}

void validate_duration(std::string_view name, const std::optional<std::int64_t>& nanoseconds) {
  if (nanoseconds && *nanoseconds != 0 && *nanoseconds < kNanosecondsPerMillisecond) {
    throw Error::invalid_argument("{} in Healthcheck cannot be less than 1ms", name);
  }
}

void validate_health_config(const api::HealthConfig& health) {
  validate_duration("Interval", health.interval);
  validate_duration("Timeout", health.timeout);
  validate_duration("StartPeriod", health.start_period);
  validate_duration("StartInterval", health.start_interval);
  if (health.retries.value_or(0) < 0) throw Error::invalid_argument("Retries in Healthcheck cannot be negative");
  if (!is_empty(health.test)) {
    const auto& kind = health.test->front();
    if (kind != "NONE" && kind != "CMD" && kind != "CMD-SHELL") throw Error::invalid_argument("Unknown type {} in Healthcheck.Test", kind);
    if (kind != "NONE" && health.test->size() < 2) throw Error::invalid_argument("Missing command in Healthcheck.Test");
  }
}

void validate_port(std::string_view port) {
  const auto slash = port.find('/');
  const std::string_view protocol = slash == std::string_view::npos ? "tcp" : port.substr(slash + 1);
  const std::string_view number = port.substr(0, slash);
  const bool digits = !number.empty() && number.size() <= 5 && std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || std::stoul(std::string(number)) > 65535) throw Error::invalid_argument("invalid port specification: \"{}\"", port);
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    throw Error::invalid_argument("invalid port specification: \"{}\"", port);
}

void validate_binding(const api::PortBinding& binding) {
  const std::string address = binding.host_ip.value_or("");
  if (!address.empty() && !IpAddress::find(address)) throw Error::invalid_argument("invalid IP address: {}", address);
  const std::string text = binding.host_port.value_or("");
  const auto dash = text.find('-');
  const auto is_port = [](std::string_view number) {
    const bool digits = !number.empty() && number.size() <= 5 && std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
    return digits && std::stoul(std::string(number)) <= 65535;
  };
  const bool good =
      text.empty() || (dash == std::string::npos ? is_port(text) : is_port(text.substr(0, dash)) && is_port(text.substr(dash + 1)));
  if (!good) throw Error::invalid_argument("invalid port specification: \"{}\"", text);
}

/// "0-2,5" within the machine's processors.
void validate_cpuset(const std::string& text) {
  const unsigned available = std::max(1U, std::thread::hardware_concurrency());
  const auto number = [&text](std::string_view part) {
    if (part.empty() || part.size() > 5 || !std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; }))
      throw Error::invalid_argument("Invalid value {} for cpuset cpus", text);
    return std::stoul(std::string(part));
  };
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    const std::string_view range = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const auto dash = range.find('-');
    const auto last = number(dash == std::string_view::npos ? range : range.substr(dash + 1));
    if (number(range.substr(0, dash)) > last) throw Error::invalid_argument("Invalid value {} for cpuset cpus", text);
    if (last >= available) {
      throw Error::invalid_argument("Requested CPUs are not available - requested {}, available: {}", text,
                                    available == 1 ? "0" : fmt::format("0-{}", available - 1));
    }
  }
}

/// The drivers that keep their log where it can be read back, or keep none, with the options dockerd knows for them.
void validate_log_config(const api::HostConfigLogConfig& log) {
  static const std::set<std::string, std::less<>> kEverywhere{"mode", "max-buffer-size"};
  static const std::map<std::string, std::set<std::string, std::less<>>, std::less<>> kDrivers{
      {"json-file", {"max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"}},
      {"local", {"max-file", "max-size", "compress"}},
      {"none", {}}};
  const std::string type(log.type ? log.type->str() : std::string_view());
  const auto driver = kDrivers.find(type.empty() ? "json-file" : type);
  if (driver == kDrivers.end()) throw Error::invalid_argument("logger: no log driver named '{}' is registered", type);
  for (const auto& [name, setting] : log.config.value_or(std::map<std::string, std::string>())) {
    if (driver->second.contains(name) || kEverywhere.contains(name)) continue;
    throw Error::invalid_argument("unknown log opt '{}' for {} log driver", name, driver->first);
  }
}

void merge_environment(std::optional<std::vector<std::string>>& environment, const std::optional<std::vector<std::string>>& image) {
  if (is_empty(image)) return;
  if (is_empty(environment)) {
    environment = image;
    return;
  }
  std::set<std::string, std::less<>> present;
  for (const auto& entry : *environment) present.insert(entry.substr(0, entry.find('=')));
  for (const auto& entry : *image) {
    if (!present.contains(entry.substr(0, entry.find('=')))) environment->push_back(entry);
  }
}

void merge_health(std::optional<api::HealthConfig>& health, const std::optional<api::HealthConfig>& image) {
  if (!image) return;
  if (!health) {
    health = image;
    return;
  }
  if (is_empty(health->test)) health->test = image->test;
  const auto take = [](std::optional<std::int64_t>& mine, const std::optional<std::int64_t>& theirs) {
    if (mine.value_or(0) == 0) mine = theirs;
  };
  take(health->interval, image->interval);
  take(health->timeout, image->timeout);
  take(health->start_period, image->start_period);
  take(health->start_interval, image->start_interval);
  take(health->retries, image->retries);
}

template <typename Map>
void merge_map(std::optional<Map>& mine, const std::optional<Map>& theirs) {
  if (!theirs || theirs->empty()) return;
  if (!mine) mine.emplace();
  mine->insert(theirs->begin(), theirs->end());  // what is there stays
}

void take_text(std::optional<std::string>& mine, const std::optional<std::string>& theirs) {
  if (mine.value_or("").empty() && theirs && !theirs->empty()) mine = theirs;
}

void check_command(api::ContainerConfig& config) {
  if (config.entrypoint && config.entrypoint->size() == 1 && config.entrypoint->front().empty()) config.entrypoint.reset();
  if (is_empty(config.entrypoint) && is_empty(config.cmd)) throw Error::invalid_argument("No command specified");
}

void validate_memory(const api::Resources& resources) {
  const std::int64_t memory = resources.memory.value_or(0);
  const std::int64_t swap = resources.memory_swap.value_or(0);
  if (memory != 0 && memory < kMinimumMemory) throw Error::invalid_argument("Minimum memory limit allowed is 6MB");
  if (memory == 0 && swap > 0) {
    throw Error::invalid_argument("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (memory > 0 && swap > 0 && swap < memory) {
    throw Error::invalid_argument("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  const std::int64_t reservation = resources.memory_reservation.value_or(0);
  if (reservation != 0 && reservation < kMinimumMemory) throw Error::invalid_argument("Minimum memory reservation allowed is 6MB");
  if (memory > 0 && reservation > memory) {
    throw Error::invalid_argument("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (resources.memory_swappiness && (*resources.memory_swappiness < -1 || *resources.memory_swappiness > 100)) {
    throw Error::invalid_argument("Invalid value: {}, valid memory swappiness range is 0-100", *resources.memory_swappiness);
  }
}

void validate_cpu(const api::Resources& resources) {
  const std::int64_t nano = resources.nano_cpus.value_or(0);
  if (nano != 0) {
    if (resources.cpu_period.value_or(0) != 0)
      throw Error::invalid_argument("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    if (resources.cpu_quota.value_or(0) != 0)
      throw Error::invalid_argument("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    const auto available = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
    if (nano < 0 || nano > available * 1'000'000'000) {
      throw Error::invalid_argument("range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available", available, available);
    }
  }
  if (resources.cpu_shares.value_or(0) < 0) {
    throw Error::invalid_argument("invalid CPU shares ({}): value must be a positive integer", *resources.cpu_shares);
  }
  const std::int64_t period = resources.cpu_period.value_or(0);
  if (period != 0 && (period < 1000 || period > 1'000'000)) {
    throw Error::invalid_argument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (const std::int64_t quota = resources.cpu_quota.value_or(0); quota > 0 && quota < 1000) {
    throw Error::invalid_argument("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  }
}

std::vector<std::string> default_masked_paths() {
  return {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",  "/proc/kcore", "/proc/keys",    "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",  "/sys/firmware", "/sys/devices/virtual/powercap"};
}

std::vector<std::string> default_readonly_paths() { return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}; }

void set_if_empty(std::optional<std::string>& text, std::string_view value) {
  if (text.value_or("").empty()) text = value;
}

template <typename Value>
void set_if_unset(std::optional<Value>& member, Value value) {
  if (!member) member = std::move(value);
}

}  // namespace

void refuse_nul(std::string_view what, const std::optional<std::string>& text) {
  if (text && text->contains('\0')) throw Error::invalid_argument("{} must not contain a NUL character", what);
}

void refuse_nul(std::string_view what, const std::optional<std::vector<std::string>>& texts) {
  for (const auto& text : texts.value_or(std::vector<std::string>())) refuse_nul(what, text);
}

void validate_container_config(const api::ContainerConfig& config) {
  refuse_nul("the command", config.cmd);
  refuse_nul("the entrypoint", config.entrypoint);
  refuse_nul("an environment variable", config.env);
  refuse_nul("the working directory", config.working_dir);
  refuse_nul("the user", config.user);
  refuse_nul("the host name", config.hostname);
  refuse_nul("the domain name", config.domainname);
  if (config.env) validate_environment(*config.env);
  if (const auto directory = config.working_dir.value_or(""); !directory.empty() && !directory.starts_with('/')) {
    throw Error::invalid_argument("the working directory '{}' is invalid, it needs to be an absolute path", directory);
  }
  if (const auto signal = config.stop_signal.value_or(""); !signal.empty()) std::ignore = api::parse_signal(signal);
  if (config.healthcheck) validate_health_config(*config.healthcheck);
  if (config.exposed_ports) {
    for (const auto& [port, nothing] : *config.exposed_ports) validate_port(port);
  }
}

void validate_resources(const api::Resources& resources) {
  validate_memory(resources);
  validate_cpu(resources);
  validate_cpuset(resources.cpuset_cpus.value_or(""));
}

void validate_restart_policy(const api::RestartPolicy& policy) {
  const api::RestartPolicyName name = policy.name.value_or(api::RestartPolicyName(api::RestartPolicyName::empty));
  const std::int64_t count = policy.maximum_retry_count.value_or(0);
  if (name == api::RestartPolicyName::on_failure) {
    if (count < 0) throw Error::invalid_argument("invalid restart policy: maximum retry count cannot be negative");
    return;
  }
  if (name == api::RestartPolicyName::other) {
    throw Error::invalid_argument(
        "invalid restart policy: unknown policy '{}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name.str());
  }
  if (count != 0) {
    throw Error::invalid_argument("invalid restart policy: maximum retry count {} 'on-failure'",
                                  count < 0 ? "cannot be negative and can only be used with" : "can only be used with");
  }
}

static void validate_ipc_mode(const std::string& mode) {
  constexpr std::array<std::string_view, 5> kModes{"", "none", "private", "host", "shareable"};
  const bool is_containers = mode.starts_with("container:") && mode.size() > std::string_view("container:").size();
  if (!is_containers && std::ranges::find(kModes, mode) == kModes.end()) throw Error::invalid_argument("invalid IPC mode: {}", mode);
}

void validate_host_config(const api::HostConfig& host_config) {
  refuse_nul("a bind", host_config.binds);
  refuse_nul("an extra host", host_config.extra_hosts);
  for (const auto& [path, options] : host_config.tmpfs.value_or(std::map<std::string, std::string>())) {
    refuse_nul("a tmpfs mount", path);
    refuse_nul("a tmpfs mount", options);
  }
  for (const auto& mount : host_config.mounts.value_or(std::vector<api::Mount>())) {
    refuse_nul("a mount's source", mount.source);
    refuse_nul("a mount's target", mount.target);
    if (mount.volume_options) refuse_nul("a mount's subpath", mount.volume_options->subpath);
    if (mount.image_options) refuse_nul("a mount's subpath", mount.image_options->subpath);
  }
  validate_resources(host_config);
  if (host_config.restart_policy) validate_restart_policy(*host_config.restart_policy);
  if (host_config.auto_remove.value_or(false) && has_restart_policy(host_config)) {
    throw Error::invalid_argument("can't create 'AutoRemove' container with restart policy");
  }
  validate_ipc_mode(host_config.ipc_mode.value_or(""));
  if (host_config.shm_size.value_or(0) < 0) throw Error::invalid_argument("SHM size can not be less than 0");
  const std::int64_t oom = host_config.oom_score_adj.value_or(0);
  if (oom < -1000 || oom > 1000) throw Error::invalid_argument("Invalid value {}, range for oom score adj is [-1000, 1000]", oom);
  if (host_config.extra_hosts) {
    for (const auto& host : *host_config.extra_hosts) {
      const auto separator = host.find_first_of(":=");
      if (separator == 0 || separator == std::string::npos || separator + 1 == host.size()) {
        throw Error::invalid_argument("bad format for add-host: \"{}\"", host);
      }
    }
  }
  if (host_config.port_bindings) {
    for (const auto& [port, bindings] : *host_config.port_bindings) {
      validate_port(port);
      for (const auto& binding : bindings.value_or(std::vector<api::PortBinding>())) validate_binding(binding);
    }
  }
  if (host_config.log_config) validate_log_config(*host_config.log_config);
  if (host_config.cgroupns_mode == api::HostConfigCgroupnsMode::other && !host_config.cgroupns_mode->str().empty()) {
    throw Error::invalid_argument("invalid cgroup namespace mode: {}", host_config.cgroupns_mode->str());
  }
  if (host_config.isolation && !host_config.isolation->str().empty() && *host_config.isolation != api::HostConfigIsolation::default_) {
    throw Error::invalid_argument("invalid isolation '{}' on linux", host_config.isolation->str());
  }
}

void merge_image_config(api::ContainerConfig& config, const api::ImageConfig& image) {
  take_text(config.user, image.user);
  merge_map(config.exposed_ports, image.exposed_ports);
  merge_environment(config.env, image.env);
  merge_map(config.labels, image.labels);
  if (is_empty(config.entrypoint)) {
    if (is_empty(config.cmd)) {
      config.cmd = image.cmd;
      config.args_escaped = image.args_escaped;
    }
    if (!config.entrypoint) config.entrypoint = image.entrypoint;
  }
  merge_health(config.healthcheck, image.healthcheck);
  take_text(config.working_dir, image.working_dir);
  merge_map(config.volumes, image.volumes);
  take_text(config.stop_signal, image.stop_signal);
  if (is_empty(config.shell)) config.shell = image.shell;
  check_command(config);
}

std::vector<std::string> arguments_of(const api::ContainerConfig& config) {
  std::vector<std::string> arguments;
  if (config.entrypoint) arguments = *config.entrypoint;
  if (config.cmd) arguments.insert(arguments.end(), config.cmd->begin(), config.cmd->end());
  if (arguments.empty()) throw Error::invalid_argument("No command specified");
  return arguments;
}

std::string normal_network_mode(std::string_view mode) { return std::string(mode.empty() || mode == "default" ? "bridge" : mode); }

void fill_host_config(api::HostConfig& host_config, const HostDefaults& defaults) {
  if (host_config.shm_size.value_or(0) == 0) host_config.shm_size = kDefaultShmSize;
  const std::int64_t memory = host_config.memory.value_or(0);
  if (memory > 0 && host_config.memory_swap.value_or(0) == 0) host_config.memory_swap = memory * 2;
  set_if_empty(host_config.ipc_mode, "private");
  if (!host_config.cgroupns_mode || host_config.cgroupns_mode->str().empty()) {
    host_config.cgroupns_mode = defaults.cgroup_namespace;
  }
  host_config.network_mode = normal_network_mode(host_config.network_mode.value_or(""));
  set_if_empty(host_config.runtime, defaults.runtime);
  if (!host_config.restart_policy) host_config.restart_policy.emplace();
  if (host_config.restart_policy->name.value_or(api::RestartPolicyName(api::RestartPolicyName::empty)) == api::RestartPolicyName::empty) {
    host_config.restart_policy->name = api::RestartPolicyName(api::RestartPolicyName::no);
  }
  set_if_unset<std::int64_t>(host_config.restart_policy->maximum_retry_count, 0);
  if (!host_config.log_config) host_config.log_config.emplace();
  if (!host_config.log_config->type || host_config.log_config->type->str().empty()) {
    host_config.log_config->type = api::HostConfigLogConfigType(std::string_view("json-file"));
  }
  set_if_unset<std::map<std::string, std::string>>(host_config.log_config->config, {});
  set_if_unset<std::vector<std::int64_t>>(host_config.console_size, {0, 0});
  set_if_unset<api::PortMap>(host_config.port_bindings, {});
  set_if_unset<std::vector<std::string>>(host_config.dns, {});
  set_if_unset<std::vector<std::string>>(host_config.dns_options, {});
  set_if_unset<std::vector<std::string>>(host_config.dns_search, {});
  const bool privileged = host_config.privileged.value_or(false);
  if (!host_config.masked_paths && !privileged) host_config.masked_paths = default_masked_paths();
  if (!host_config.readonly_paths && !privileged) host_config.readonly_paths = default_readonly_paths();
}

void check_platform(std::string_view wanted, const ImageFacts& image, std::string_view reference) {
  if (wanted.empty()) return;
  const auto first = wanted.find('/');
  std::string os(wanted.substr(0, first));
  std::string architecture;
  std::string variant;
  if (first != std::string_view::npos) {
    const std::string_view rest = wanted.substr(first + 1);
    const auto second = rest.find('/');
    architecture = rest.substr(0, second);
    if (second != std::string_view::npos) variant = rest.substr(second + 1);
  } else if (os != "linux" && os != "windows") {
    architecture = std::exchange(os, "linux");
  }
  if (architecture == "x86_64" || architecture == "x86-64") architecture = "amd64";
  if (architecture == "aarch64") architecture = "arm64";
  const bool matches = (image.os.empty() || image.os == os) &&
                       (architecture.empty() || image.architecture.empty() || image.architecture == architecture) &&
                       (variant.empty() || image.variant.empty() || image.variant == variant);
  if (matches) return;
  const std::string actual = image.os + "/" + image.architecture + (image.variant.empty() ? "" : "/" + image.variant);
  throw Error::not_found("image with reference {} was found but its platform ({}) does not match the specified platform ({})", reference,
                         actual, wanted);
}

bool has_restart_policy(const api::HostConfig& host_config) {
  if (!host_config.restart_policy || !host_config.restart_policy->name) return false;
  const auto& name = *host_config.restart_policy->name;
  return name != api::RestartPolicyName::no && name != api::RestartPolicyName::empty;
}

int stop_signal_of(const api::ContainerConfig& config) {
  const std::string text = config.stop_signal.value_or("");
  return text.empty() ? SIGTERM : api::parse_signal(text);
}

}  // namespace sockerless
