#include "backends/local/container_facts.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backends/local/block_stats.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/time.hpp"

namespace sockerless::local {

namespace {

constexpr auto kPsTimeout = std::chrono::seconds(10);
constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kNanosecondsPerMicrosecond = 1'000;

std::vector<std::string> words(const std::string& line) {
  std::istringstream fields(line);
  std::vector<std::string> result;
  for (std::string word; fields >> word;) result.push_back(std::move(word));
  return result;
}

/// The fields of a ps line; the last column takes the rest.
std::vector<std::string> columns(const std::string& line, std::size_t count) {
  std::vector<std::string> fields = words(line);
  if (fields.size() <= count) return fields;
  std::string last;
  for (std::size_t i = count - 1; i < fields.size(); ++i) last += (last.empty() ? "" : " ") + fields[i];
  fields.resize(count - 1);
  fields.push_back(std::move(last));
  return fields;
}

std::optional<std::uint64_t> find_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::vector<std::uint64_t> numbers_in(const std::string& path) {
  std::vector<std::uint64_t> numbers;
  std::ifstream file(path);
  for (std::uint64_t value = 0; file >> value;) numbers.push_back(value);
  return numbers;
}

/// A file of lines "name value".
std::map<std::string, std::uint64_t> read_table(const std::string& path) {
  std::map<std::string, std::uint64_t> table;
  std::ifstream file(path);
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) table[name] = value;
  return table;
}

std::uint64_t memory_of_host() {
  struct sysinfo info{};
  ::sysinfo(&info);
  return static_cast<std::uint64_t>(info.totalram) * info.mem_unit;
}

/// User and system time of the whole machine, in nanoseconds (the first line of /proc/stat).
std::uint64_t system_cpu_usage() {
  std::ifstream file("/proc/stat");
  std::string label;
  std::array<std::uint64_t, 8> ticks{};
  file >> label;
  std::uint64_t sum = 0;
  for (auto& tick : ticks) {
    if (file >> tick) sum += tick;
  }
  return sum * (kNanosecondsPerSecond / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

api::ContainerMemoryStats memory_stats(const CgroupHost& cgroups, const std::string& group) {
  const std::string directory = cgroups.directory("memory", group);
  const bool unified = cgroups.version() == 2;
  api::ContainerMemoryStats memory;
  memory.usage = find_number(directory + (unified ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!unified) {
    memory.max_usage = find_number(directory + "/memory.max_usage_in_bytes");
    memory.failcnt = find_number(directory + "/memory.failcnt");
  }
  memory.stats = read_table(directory + "/memory.stat");
  const std::uint64_t host = memory_of_host();
  memory.limit = std::min(find_number(directory + (unified ? "/memory.max" : "/memory.limit_in_bytes")).value_or(host), host);
  return memory;
}

api::ContainerCPUStats cpu_stats(const CgroupHost& cgroups, const std::string& group) {
  api::ContainerCPUUsage usage;
  api::ContainerThrottlingData throttling;
  if (cgroups.version() == 2) {
    auto table = read_table(cgroups.directory("cpu", group) + "/cpu.stat");
    usage.total_usage = table["usage_usec"] * kNanosecondsPerMicrosecond;
    usage.usage_in_kernelmode = table["system_usec"] * kNanosecondsPerMicrosecond;
    usage.usage_in_usermode = table["user_usec"] * kNanosecondsPerMicrosecond;
    throttling = {table["nr_periods"], table["nr_throttled"], table["throttled_usec"] * kNanosecondsPerMicrosecond, {}};
  } else {
    usage.total_usage = find_number(cgroups.directory("cpuacct", group) + "/cpuacct.usage").value_or(0);
    usage.percpu_usage = numbers_in(cgroups.directory("cpuacct", group) + "/cpuacct.usage_percpu");
    auto modes = read_table(cgroups.directory("cpuacct", group) + "/cpuacct.stat");
    const std::uint64_t tick = kNanosecondsPerSecond / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    usage.usage_in_kernelmode = modes["system"] * tick;
    usage.usage_in_usermode = modes["user"] * tick;
    auto table = read_table(cgroups.directory("cpu", group) + "/cpu.stat");
    throttling = {table["nr_periods"], table["nr_throttled"], table["throttled_time"], {}};
  }
  api::ContainerCPUStats cpu;
  cpu.cpu_usage = usage;
  cpu.system_cpu_usage = system_cpu_usage();
  cpu.online_cpus = std::thread::hardware_concurrency();
  cpu.throttling_data = throttling;
  return cpu;
}

/// The devices of the network namespace the process is in, without loopback.
std::map<std::string, api::ContainerNetworkStats> network_stats(std::int64_t pid) {
  std::map<std::string, api::ContainerNetworkStats> result;
  std::ifstream file(fmt::format("/proc/{}/net/dev", pid));
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = words(line.substr(0, colon)).front();
    std::array<std::uint64_t, 16> n{};
    std::istringstream fields(line.substr(colon + 1));
    for (auto& number : n) fields >> number;
    if (name == "lo") continue;
    api::ContainerNetworkStats stats;
    stats.rx_bytes = n[0];
    stats.rx_packets = n[1];
    stats.rx_errors = n[2];
    stats.rx_dropped = n[3];
    stats.tx_bytes = n[8];
    stats.tx_packets = n[9];
    stats.tx_errors = n[10];
    stats.tx_dropped = n[11];
    result[name] = std::move(stats);
  }
  return result;
}

/// In the host's network there is nothing that is the container's own.
bool has_own_network(std::int64_t pid) {
  std::error_code error;
  const auto its = std::filesystem::read_symlink(fmt::format("/proc/{}/ns/net", pid), error);
  return !error && its != std::filesystem::read_symlink("/proc/self/ns/net", error);
}

std::string os_name() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (!line.starts_with(kKey)) continue;
    std::string name = line.substr(kKey.size());
    std::erase(name, '"');
    return name;
  }
  return "Linux";
}

}  // namespace

api::ContainerTopResponse blocking_top(const std::string& ps_arguments, const std::vector<std::int64_t>& pids) {
  const std::string ps = find_program("ps");
  if (ps.empty()) throw Error::unavailable("ps is not installed: install the package procps");
  std::vector<std::string> command = {ps};
  const auto arguments = words(ps_arguments.empty() ? "-ef" : ps_arguments);
  command.insert(command.end(), arguments.begin(), arguments.end());
  const ProgramResult result = blocking_run_program(command, kPsTimeout);
  if (result.exit_code != 0) {
    const std::string reason = result.error.substr(0, result.error.find('\n'));
    throw Error::invalid_argument("error running ps: {}", reason.empty() ? fmt::format("exit status {}", result.exit_code) : reason);
  }
  std::istringstream lines(result.output);
  std::string line;
  std::getline(lines, line);
  api::ContainerTopResponse response;
  response.titles = words(line);
  const auto& titles = *response.titles;
  const auto pid_column = static_cast<std::size_t>(std::ranges::find(titles, "PID") - titles.begin());
  if (pid_column == titles.size()) throw Error::invalid_argument("Couldn't find PID field in ps output");
  const std::set<std::int64_t> wanted(pids.begin(), pids.end());
  response.processes.emplace();
  while (std::getline(lines, line)) {
    auto fields = columns(line, titles.size());
    if (fields.size() <= pid_column) continue;
    std::int64_t pid = 0;
    const std::string& text = fields[pid_column];
    std::from_chars(text.data(), text.data() + text.size(), pid);
    if (wanted.contains(pid)) response.processes->push_back(std::move(fields));
  }
  return response;
}

api::ContainerStatsResponse blocking_stats(const CgroupHost& cgroups, const std::string& id, std::int64_t pid) {
  const std::string group = container_cgroup(id);
  api::ContainerStatsResponse response;
  response.id = id;
  response.os_type = "linux";
  response.read = format_rfc3339(system_clock().now());
  response.cpu_stats = cpu_stats(cgroups, group);
  response.memory_stats = memory_stats(cgroups, group);
  api::ContainerPidsStats pids;
  pids.current = find_number(cgroups.directory("pids", group) + "/pids.current");
  pids.limit = find_number(cgroups.directory("pids", group) + "/pids.max");
  response.pids_stats = std::move(pids);
  response.blkio_stats = blocking_block_stats(cgroups.directory("blkio", group), cgroups.version() == 2);
  if (has_own_network(pid)) response.networks = network_stats(pid);
  response.num_procs = 0;
  return response;
}

api::SystemInfo blocking_system_facts(const OciHost& host, const OciRuntime* runtime, const std::string& state_directory) {
  api::SystemInfo info;
  info.driver = "overlay2";
  info.docker_root_dir = state_directory;
  info.memory_limit = host.cgroups.has("memory");
  info.swap_limit = host.cgroups.has_swap_limit();
  info.cpu_cfs_period = info.cpu_cfs_quota = info.cpu_shares = host.cgroups.has("cpu");
  info.cpu_set = host.cgroups.has("cpuset");
  info.pids_limit = host.cgroups.has("pids");
  info.oom_kill_disable = host.cgroups.version() == 1 && host.cgroups.has("memory");
  info.ipv4_forwarding = find_number("/proc/sys/net/ipv4/ip_forward").value_or(0) == 1;
  info.cgroup_driver = api::SystemInfoCgroupDriver::cgroupfs;
  info.cgroup_version = api::SystemInfoCgroupVersion(host.cgroups.version() == 2 ? "2" : "1");
  utsname name{};
  ::uname(&name);
  info.kernel_version = name.release;
  info.operating_system = os_name();
  info.os_type = "linux";
  info.architecture = name.machine;
  info.name = name.nodename;
  info.ncpu = std::thread::hardware_concurrency();
  info.mem_total = static_cast<std::int64_t>(memory_of_host());
  info.security_options = std::vector<std::string>{"name=seccomp,profile=builtin"};
  info.init_binary = "docker-init";
  if (runtime != nullptr) {
    api::Runtime entry;
    entry.path = runtime->path;
    info.runtimes = std::map<std::string, api::Runtime>{{runtime->name, entry}};
    info.default_runtime = runtime->name;
  }
  return info;
}

}  // namespace sockerless::local
