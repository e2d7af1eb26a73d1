#include "backends/local/runtime_config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <string_view>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backends/local/capabilities.hpp"
#include "backends/local/custom_seccomp.hpp"
#include "backends/local/device_list.hpp"
#include "backends/local/runtime_mounts.hpp"
#include "backends/local/seccomp_profile.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace json = boost::json;

namespace {

constexpr std::string_view kOciVersion = "1.0.2";
constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::int64_t kDefaultPeriod = 100'000;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

constexpr std::array kMaskedPaths = {"/proc/acpi",
                                     "/proc/asound",
                                     "/proc/interrupts",
                                     "/proc/kcore",
                                     "/proc/keys",
                                     "/proc/latency_stats",
                                     "/proc/sched_debug",
                                     "/proc/scsi",
                                     "/proc/timer_list",
                                     "/proc/timer_stats",
                                     "/sys/devices/virtual/powercap",
                                     "/sys/firmware"};
constexpr std::array kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

constexpr std::array kRlimitNames = {
    std::pair{"as", RLIMIT_AS},           std::pair{"core", RLIMIT_CORE},         std::pair{"cpu", RLIMIT_CPU},
    std::pair{"data", RLIMIT_DATA},       std::pair{"fsize", RLIMIT_FSIZE},       std::pair{"locks", RLIMIT_LOCKS},
    std::pair{"memlock", RLIMIT_MEMLOCK}, std::pair{"msgqueue", RLIMIT_MSGQUEUE}, std::pair{"nice", RLIMIT_NICE},
    std::pair{"nofile", RLIMIT_NOFILE},   std::pair{"nproc", RLIMIT_NPROC},       std::pair{"rss", RLIMIT_RSS},
    std::pair{"rtprio", RLIMIT_RTPRIO},   std::pair{"rttime", RLIMIT_RTTIME},     std::pair{"sigpending", RLIMIT_SIGPENDING},
    std::pair{"stack", RLIMIT_STACK}};

bool has_variable(const std::vector<std::string>& environment, std::string_view name) {
  return std::ranges::any_of(environment, [&](const std::string& entry) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
  });
}

json::array make_environment(const OciSettings& settings, const ContainerUser& user) {
  json::array environment;
  if (!has_variable(settings.environment, "PATH")) environment.emplace_back(kDefaultPath);
  if (!settings.hostname.empty() && !has_variable(settings.environment, "HOSTNAME"))
    environment.emplace_back("HOSTNAME=" + settings.hostname);
  if (settings.tty && !has_variable(settings.environment, "TERM")) environment.emplace_back("TERM=xterm");
  for (const auto& entry : settings.environment) {
    if (entry.find('=') != std::string::npos)
      environment.emplace_back(entry);  // a bare name unsets: Docker's `-e NAME` of an unset variable
  }
  if (!has_variable(settings.environment, "HOME")) environment.emplace_back("HOME=" + user.home);
  return environment;
}

json::array make_rlimits(const OciSettings& settings, const OciHost& host, std::vector<std::string>& warnings) {
  json::array result;
  for (const auto& ulimit : settings.ulimits) {
    const auto known = std::ranges::find_if(kRlimitNames, [&](const auto& entry) { return ulimit.name == entry.first; });
    if (known == kRlimitNames.end()) throw Error::invalid_argument("invalid ulimit type: {}", ulimit.name);
    auto soft = static_cast<std::uint64_t>(ulimit.soft);
    auto hard = static_cast<std::uint64_t>(ulimit.hard);  // -1 is RLIM_INFINITY
    rlimit own{};
    if (!host.can_raise_limits && ::getrlimit(static_cast<__rlimit_resource_t>(known->second), &own) == 0 && hard > own.rlim_max) {
      warnings.push_back(fmt::format("The daemon may not raise the limit {}: it stays at {}.", ulimit.name, own.rlim_max));
      hard = own.rlim_max;
      soft = std::min(soft, hard);
    }
    std::string type = "RLIMIT_" + ulimit.name;
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    result.push_back(json::object{{"type", type}, {"soft", soft}, {"hard", hard}});
  }
  return result;
}

template <typename Range>
json::array to_array(const Range& values) {
  json::array result;
  for (const auto& value : values) result.emplace_back(value);
  return result;
}

template <typename Defaults>
json::array paths(const std::optional<std::vector<std::string>>& chosen, const Defaults& defaults) {
  return chosen ? to_array(*chosen) : to_array(defaults);
}

void add_namespace(json::array& namespaces, std::string_view type, const NamespaceChoice& choice, std::string_view proc_name) {
  switch (choice.kind) {
    case NamespaceChoice::Kind::host:
      return;
    case NamespaceChoice::Kind::own:
      namespaces.push_back(json::object{{"type", type}});
      return;
    case NamespaceChoice::Kind::of_process:
      namespaces.push_back(json::object{{"type", type}, {"path", fmt::format("/proc/{}/ns/{}", choice.pid, proc_name)}});
      return;
    case NamespaceChoice::Kind::prepared:
      namespaces.push_back(json::object{{"type", type}, {"path", choice.path}});
  }
}

json::array make_namespaces(const OciSettings& settings, const OciHost& host) {
  json::array namespaces;
  namespaces.push_back(json::object{{"type", "mount"}});
  add_namespace(namespaces, "network", settings.network, "net");
  add_namespace(namespaces, "uts", settings.uts, "uts");
  add_namespace(namespaces, "pid", settings.pid_namespace, "pid");
  add_namespace(namespaces, "ipc", settings.ipc, "ipc");
  if (settings.own_cgroup_namespace.value_or(host.cgroups.version() == 2)) namespaces.push_back(json::object{{"type", "cgroup"}});
  return namespaces;
}

json::object make_sysctls(const OciSettings& settings) {
  json::object result;
  if (settings.network.kind == NamespaceChoice::Kind::own || settings.network.kind == NamespaceChoice::Kind::prepared) {
    // Docker's: ports below 1024 and ping need no privilege inside the container's own network.
    if (::access("/proc/sys/net/ipv4/ip_unprivileged_port_start", F_OK) == 0) result["net.ipv4.ip_unprivileged_port_start"] = "0";
    if (::access("/proc/sys/net/ipv4/ping_group_range", F_OK) == 0) result["net.ipv4.ping_group_range"] = "0 2147483647";
  }
  for (const auto& [name, value] : settings.sysctls) result[name] = value;
  return result;
}

json::array make_device_rules(const OciSettings& settings, const std::vector<DeviceNode>& devices) {
  json::array rules;
  if (settings.privileged) {
    rules.push_back(json::object{{"allow", true}, {"access", "rwm"}});
    return rules;
  }
  rules.push_back(json::object{{"allow", false}, {"access", "rwm"}});
  constexpr std::array<std::pair<int, int>, 6> kStandard = {{{1, 3}, {1, 5}, {1, 8}, {1, 9}, {5, 0}, {5, 1}}};
  for (const auto& [major, minor] : kStandard) {
    rules.push_back(json::object{{"allow", true}, {"type", "c"}, {"major", major}, {"minor", minor}, {"access", "rwm"}});
  }
  for (const auto& device : devices) {
    rules.push_back(json::object{
        {"allow", true}, {"type", device.type}, {"major", device.major}, {"minor", device.minor}, {"access", device.permissions}});
  }
  for (const auto& rule : settings.device_cgroup_rules) rules.push_back(parse_device_rule(rule));
  return rules;
}

json::array make_devices(const std::vector<DeviceNode>& devices) {
  json::array result;
  for (const auto& device : devices) {
    result.push_back(json::object{{"path", device.path},
                                  {"type", device.type},
                                  {"major", device.major},
                                  {"minor", device.minor},
                                  {"fileMode", device.mode},
                                  {"uid", device.uid},
                                  {"gid", device.gid}});
  }
  return result;
}

bool apparmor_has(std::string_view profile) {
  std::ifstream file("/sys/kernel/security/apparmor/profiles");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(profile) && line.size() > profile.size() && line[profile.size()] == ' ') return true;
  }
  return false;
}

std::string apparmor_profile(const OciSettings& settings, const SecurityOptions& options) {
  if (options.apparmor_profile == "unconfined" || (settings.privileged && options.apparmor_profile.empty())) return {};
  if (::access("/sys/kernel/security/apparmor", F_OK) != 0) return {};  // as Docker where the kernel has none
  std::string wanted = options.apparmor_profile.empty() ? "docker-default" : options.apparmor_profile;
  if (apparmor_has(wanted)) return wanted;
  if (!options.apparmor_profile.empty()) throw Error::invalid_argument("AppArmor profile \"{}\" is not loaded on this host", wanted);
  return {};
}

void set_oom_score(json::object& process, const OciSettings& settings, const OciHost& host, std::vector<std::string>& warnings) {
  if (settings.oom_score_adj == 0) return;
  if (settings.oom_score_adj < 0 && !host.can_raise_limits) {
    warnings.push_back("The daemon may not lower OOM scores: OomScoreAdj is ignored.");
    return;
  }
  process["oomScoreAdj"] = settings.oom_score_adj;
}

}  // namespace

OciHost OciHost::blocking_detect() {
  OciHost host;
  host.cgroups = CgroupHost::blocking_detect();
  utsname name{};
  ::uname(&name);
  host.machine = name.machine;
  host.kernel = name.release;
  host.capabilities = host_capabilities();
  host.can_raise_limits = host.capabilities.contains("CAP_SYS_RESOURCE");
  // Nothing is changed: the arguments are refused where the call is known.
  host.has_recursive_read_only = ::syscall(SYS_mount_setattr, -1, "", 0U, nullptr, 0UL) == 0 || errno != ENOSYS;
  for (const char* path : {"/usr/bin/tini-static", "/usr/bin/tini", "/usr/bin/docker-init"}) {
    if (::access(path, X_OK) != 0) continue;
    host.init_path = path;
    break;
  }
  return host;
}

SecurityOptions parse_security_options(const std::vector<std::string>& options) {
  SecurityOptions result;
  for (const auto& option : options) {
    const std::size_t at = option.find_first_of("=:");
    const std::string key = option.substr(0, at);
    const std::string value = at == std::string::npos ? std::string() : option.substr(at + 1);
    if (key == "no-new-privileges") {
      if (at != std::string::npos && value != "true" && value != "false")
        throw Error::invalid_argument("invalid --security-opt: \"{}\"", option);
      result.no_new_privileges = value != "false";
    } else if (key == "seccomp") {
      if (value == "unconfined") {
        result.seccomp_unconfined = true;
      } else if (value != "builtin" && !value.empty()) {
        result.seccomp_profile = value;
      }
    } else if (key == "apparmor") {
      result.apparmor_profile = value;
    } else if (key != "label" && key != "systempaths" && key != "writable-cgroups") {
      throw Error::invalid_argument("invalid --security-opt 2: \"{}\"", option);
    }
  }
  return result;
}

json::object make_process(const OciSettings& settings, const ContainerUser& user, const OciHost& host, std::vector<std::string>& warnings) {
  const SecurityOptions security = parse_security_options(settings.security_opt);
  const auto granted = container_capabilities(settings.cap_add, settings.cap_drop, settings.privileged);
  std::set<std::string> capabilities;
  std::ranges::set_intersection(granted, host.capabilities, std::inserter(capabilities, capabilities.end()));
  for (const auto& name : granted) {
    if (!capabilities.contains(name)) warnings.push_back(fmt::format("The daemon does not hold {}: the container runs without it.", name));
  }

  json::array arguments;
  if (settings.init) {
    if (host.init_path.empty()) throw Error::invalid_argument("no init program on this host: install the package tini");
    arguments = {kInitDestination, "--"};
  }
  for (const auto& argument : settings.arguments) arguments.emplace_back(argument);

  // The primary group is among the supplementary ones, as Docker has it since CVE-2022-36109: a set-group-id file could be used to leave
  // it.
  std::vector<std::uint32_t> groups{user.gid};
  for (const std::uint32_t group : user.groups) {
    if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
  }
  json::object user_json{{"uid", user.uid}, {"gid", user.gid}, {"additionalGids", to_array(groups)}};
  json::object process{{"terminal", settings.tty},
                       {"user", std::move(user_json)},
                       {"args", std::move(arguments)},
                       {"env", make_environment(settings, user)},
                       {"cwd", settings.working_dir.empty() ? "/" : settings.working_dir}};
  if (settings.tty && settings.rows > 0) process["consoleSize"] = {{"height", settings.rows}, {"width", settings.columns}};
  const json::array bounding = to_array(capabilities);
  // As Docker: a user that is not root starts with nothing but may regain the bounding set through file capabilities.
  const json::array active = user.uid == 0 ? bounding : json::array();
  process["capabilities"] = {{"bounding", bounding}, {"effective", active}, {"permitted", active}};
  process["noNewPrivileges"] = security.no_new_privileges;
  if (auto rlimits = make_rlimits(settings, host, warnings); !rlimits.empty()) process["rlimits"] = std::move(rlimits);
  if (auto profile = apparmor_profile(settings, security); !profile.empty()) process["apparmorProfile"] = profile;
  set_oom_score(process, settings, host, warnings);
  return process;
}

static void add_device_limits(json::object& resources, const OciResources& wanted, const CgroupHost& cgroups,
                              std::vector<std::string>& warnings) {
  if (wanted.device_limits.empty()) return;
  if (!cgroups.has("blkio") && !cgroups.has("io")) {
    warnings.push_back("Your kernel does not support block I/O limits of devices or the cgroup is not mounted. Limits discarded.");
    return;
  }
  auto& block = resources.contains("blockIO") ? resources["blockIO"].as_object() : resources["blockIO"].emplace_object();
  for (const auto& limit : wanted.device_limits) {
    struct stat status{};
    if (::stat(limit.path.c_str(), &status) != 0) throw Error::internal("stat {}: no such file or directory", limit.path);
    auto& list = block.contains(limit.member) ? block[limit.member].as_array() : block[limit.member].emplace_array();
    list.push_back(json::object{{"major", gnu_dev_major(status.st_rdev)}, {"minor", gnu_dev_minor(status.st_rdev)}, {"rate", limit.rate}});
  }
}

json::object make_resources(const OciResources& wanted, const CgroupHost& cgroups, std::vector<std::string>& warnings) {
  json::object resources;
  json::object memory;
  if (cgroups.has("memory")) {
    if (wanted.memory > 0) memory["limit"] = wanted.memory;
    if (wanted.memory > 0 || wanted.memory_swap != 0) {
      const std::int64_t swap = wanted.memory_swap != 0 ? wanted.memory_swap : wanted.memory * 2;
      if (cgroups.has_swap_limit()) {
        memory["swap"] = swap;
      } else {
        warnings.push_back(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.");
      }
    }
    if (wanted.memory_reservation > 0) memory["reservation"] = wanted.memory_reservation;
    if (wanted.memory_swappiness && *wanted.memory_swappiness >= 0) memory["swappiness"] = *wanted.memory_swappiness;
    if (wanted.oom_kill_disable) memory["disableOOMKiller"] = true;
  } else if (wanted.memory > 0 || wanted.memory_reservation > 0) {
    warnings.push_back("Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.");
  }
  if (!memory.empty()) resources["memory"] = std::move(memory);

  json::object cpu;
  if (cgroups.has("cpu")) {
    if (wanted.cpu_shares > 0) cpu["shares"] = wanted.cpu_shares;
    if (wanted.nano_cpus > 0) {
      cpu["period"] = kDefaultPeriod;
      cpu["quota"] = wanted.nano_cpus * kDefaultPeriod / kNanosecondsPerSecond;
    }
    if (wanted.cpu_period > 0) cpu["period"] = wanted.cpu_period;
    if (wanted.cpu_quota != 0) cpu["quota"] = wanted.cpu_quota;
  } else if (wanted.nano_cpus > 0 || wanted.cpu_quota > 0) {
    warnings.push_back("Your kernel does not support CPU cfs quota or the cgroup is not mounted. Quota discarded.");
  }
  if (cgroups.has("cpuset")) {
    if (!wanted.cpuset_cpus.empty()) cpu["cpus"] = wanted.cpuset_cpus;
    if (!wanted.cpuset_mems.empty()) cpu["mems"] = wanted.cpuset_mems;
  } else if (!wanted.cpuset_cpus.empty() || !wanted.cpuset_mems.empty()) {
    warnings.push_back("Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded.");
  }
  if (!cpu.empty()) resources["cpu"] = std::move(cpu);

  if (wanted.pids_limit > 0) {
    if (cgroups.has("pids")) {
      resources["pids"] = json::object{{"limit", wanted.pids_limit}};
    } else {
      warnings.push_back("Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.");
    }
  }
  if (wanted.blkio_weight > 0) {
    if (cgroups.has_blkio_weight()) {
      resources["blockIO"] = json::object{{"weight", wanted.blkio_weight}};
    } else {
      warnings.push_back("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    }
  }
  add_device_limits(resources, wanted, cgroups, warnings);
  return resources;
}

std::vector<std::string> check_settings(const OciSettings& settings, const OciHost& host) {
  std::vector<std::string> warnings;
  std::ignore = make_process(settings, ContainerUser{}, host, warnings);
  std::ignore = make_resources(settings.resources, host.cgroups, warnings);
  for (const auto& rule : settings.device_cgroup_rules) std::ignore = parse_device_rule(rule);
  return warnings;
}

OciConfig blocking_make_config(const OciSettings& settings, const OciHost& host) {
  OciConfig result;
  const ContainerUser user = blocking_find_user(settings.root, settings.user, settings.group_add);
  const auto devices = settings.privileged ? blocking_host_devices() : blocking_find_devices(settings.devices);
  const SecurityOptions security = parse_security_options(settings.security_opt);

  json::object resources = make_resources(settings.resources, host.cgroups, result.warnings);
  resources["devices"] = make_device_rules(settings, devices);
  json::object linux_section{
      {"cgroupsPath", container_cgroup(settings.id)}, {"namespaces", make_namespaces(settings, host)}, {"resources", std::move(resources)}};
  if (!devices.empty()) linux_section["devices"] = make_devices(devices);
  if (auto sysctls = make_sysctls(settings); !sysctls.empty()) linux_section["sysctl"] = std::move(sysctls);
  if (!settings.privileged) {
    linux_section["maskedPaths"] = paths(settings.masked_paths, kMaskedPaths);
    linux_section["readonlyPaths"] = paths(settings.read_only_paths, kReadOnlyPaths);
    if (!security.seccomp_unconfined) {
      const auto held = container_capabilities(settings.cap_add, settings.cap_drop, settings.privileged);
      linux_section["seccomp"] = security.seccomp_profile.empty()
                                     ? default_seccomp_profile(held, host.machine)
                                     : custom_seccomp_profile(security.seccomp_profile, held, host.machine, host.kernel);
    }
  }
  if (const auto propagation = root_propagation(settings.mounts); !propagation.empty()) linux_section["rootfsPropagation"] = propagation;

  auto& document = result.document;
  document["ociVersion"] = kOciVersion;
  document["process"] = make_process(settings, user, host, result.warnings);
  document["root"] = {{"path", settings.root}, {"readonly", settings.read_only_root}};
  if (settings.uts.kind == NamespaceChoice::Kind::own) {
    if (!settings.hostname.empty()) document["hostname"] = settings.hostname;
  }
  document["mounts"] = make_mounts(settings, host);
  if (!settings.annotations.empty()) {
    json::object annotations;
    for (const auto& [name, value] : settings.annotations) annotations[name] = value;
    document["annotations"] = std::move(annotations);
  }
  document["linux"] = std::move(linux_section);
  return result;
}

}  // namespace sockerless::local
