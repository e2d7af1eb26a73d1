#include "engine/system_service.hpp"

#include <fstream>
#include <thread>
#include <utility>

#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kIndexServer = "https://index.docker.io/v1/";

/// A UUID of random hex digits: the form of Docker's daemon id.
std::string uuid_from(const std::string& hex) {
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-4" + hex.substr(13, 3) + "-a" + hex.substr(17, 3) + "-" + hex.substr(20, 12);
}

struct Machine {
  std::string operating_system;
  std::string os_version;
};

Machine blocking_look_at_machine() {
  Machine machine{"Linux", ""};
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (line.starts_with("PRETTY_NAME=")) machine.operating_system = value;
    if (line.starts_with("VERSION_ID=")) machine.os_version = value;
  }
  return machine;
}

utsname look_at_kernel() {
  utsname names{};
  uname(&names);
  return names;
}

/// Go's name of the processor: what version says; info has the kernel's own.
std::string go_architecture(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return std::string(machine);
}

template <typename T, typename V>
void set_if_unset(std::optional<T>& member, V&& value) {
  if (!member) member = std::forward<V>(value);
}

api::RegistryServiceConfig registry_config() {
  api::IndexInfo hub;
  hub.name = "docker.io";
  hub.mirrors.emplace();
  hub.secure = true;
  hub.official = true;
  api::RegistryServiceConfig config;
  config.insecure_registry_cidrs = std::vector<std::string>{"::1/128", "127.0.0.0/8"};
  config.index_configs = std::map<std::string, api::IndexInfo>{{"docker.io", hub}};
  config.mirrors.emplace();
  return config;
}

void fill_machine(api::SystemInfo& info) {
  const utsname kernel = look_at_kernel();
  set_if_unset(info.name, std::string(kernel.nodename));
  set_if_unset(info.kernel_version, std::string(kernel.release));
  set_if_unset(info.architecture, std::string(kernel.machine));
  set_if_unset(info.os_type, std::string("linux"));
  set_if_unset(info.ncpu, static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency())));
  set_if_unset(info.mem_total, static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE));
}

void fill_defaults(api::SystemInfo& info) {
  set_if_unset(info.logging_driver, std::string("json-file"));
  set_if_unset(info.index_server_address, std::string(kIndexServer));
  set_if_unset(info.registry_config, registry_config());
  set_if_unset(info.labels, std::vector<std::string>{});
  set_if_unset(info.warnings, std::vector<std::string>{});
  set_if_unset(info.security_options, std::vector<std::string>{});
  set_if_unset(info.live_restore_enabled, true);  // containers outlive the daemon
  set_if_unset(info.isolation, api::SystemInfoIsolation(std::string_view()));
  if (!info.plugins) {
    info.plugins.emplace();
    info.plugins->volume = std::vector<std::string>{"local"};
    info.plugins->network = std::vector<std::string>{"bridge", "host", "null"};
    info.plugins->log = std::vector<std::string>{"json-file"};
  }
  if (!info.swarm) {
    info.swarm.emplace();
    info.swarm->node_id = "";
    info.swarm->node_addr = "";
    info.swarm->local_node_state = api::LocalNodeState(std::string_view("inactive"));
    info.swarm->control_available = false;
    info.swarm->error = "";
  }
}

}  // namespace

Task<void> SystemService::restore() {
  for (const auto& [key, value] : co_await context_.store.load_all(StateKind::engine)) {
    if (key == "id") id_ = value;
  }
  if (id_.empty()) {
    id_ = uuid_from(context_.random.hex64());
    co_await context_.store.put(StateKind::engine, "id", id_);
  }
  Machine machine = co_await run_blocking(pool_, blocking_look_at_machine);
  operating_system_ = std::move(machine.operating_system);
  os_version_ = std::move(machine.os_version);
}

void SystemService::count_containers(api::SystemInfo& info) const {
  std::int64_t running = 0;
  std::int64_t paused = 0;
  std::int64_t stopped = 0;
  for (const auto& record : context_.containers.all()) {
    const auto state = record->state();
    ++(state->is_paused() ? paused : state->is_running() ? running : stopped);
  }
  info.containers = running + paused + stopped;
  info.containers_running = running;
  info.containers_paused = paused;
  info.containers_stopped = stopped;
}

Task<api::SystemInfo> SystemService::info() {
  api::SystemInfo info = co_await context_.workloads.facts();
  info.id = id_;
  count_containers(info);
  info.images = static_cast<std::int64_t>(context_.images.size());
  info.system_time = format_rfc3339(context_.clock.now());
  info.n_events_listener = static_cast<std::int64_t>(context_.events.listeners());
  info.n_goroutines = static_cast<std::int64_t>(context_.tasks.size());
  info.server_version = capabilities_.version;
  set_if_unset(info.operating_system, operating_system_);
  set_if_unset(info.os_version, os_version_);
  set_if_unset(info.driver, std::string(capabilities_.backend));
  fill_machine(info);
  fill_defaults(info);
  co_return info;
}

Task<api::SystemVersion> SystemService::version() {
  const utsname kernel = look_at_kernel();
  api::SystemVersion version;
  version.platform.emplace();
  version.platform->name = "Sockerless";
  version.version = capabilities_.version;
  version.git_commit = "";
  version.go_version = "";
  version.os = "linux";
  version.arch = go_architecture(kernel.machine);
  version.kernel_version = kernel.release;
  api::SystemVersionComponents engine;
  engine.name = "Engine";
  engine.version = capabilities_.version;
  version.components.emplace().push_back(std::move(engine));
  co_return version;
}

Task<void> SystemService::add_containers(api::SystemDataUsageResponse& usage) {
  ListContainersOptions options;
  options.all = true;
  options.size = WithSize::yes;
  auto containers = co_await containers_.list(std::move(options));
  auto& summary = usage.container_usage.emplace();
  std::int64_t active = 0;
  std::int64_t total = 0;
  std::int64_t reclaimable = 0;
  for (const auto& container : containers) {
    const std::int64_t size = container.size_rw.value_or(0);
    total += size;
    const auto state = container.state.value_or(api::ContainerSummaryState(api::ContainerSummaryState::created));
    const bool runs = state == api::ContainerSummaryState::running || state == api::ContainerSummaryState::paused ||
                      state == api::ContainerSummaryState::restarting;
    if (runs) {
      ++active;
    } else {
      reclaimable += size;
    }
  }
  summary.active_count = active;
  summary.total_count = static_cast<std::int64_t>(containers.size());
  summary.total_size = total;
  summary.reclaimable = reclaimable;
  usage.containers = std::move(containers);
}

Task<void> SystemService::add_images(api::SystemDataUsageResponse& usage) {
  ListImagesOptions options;
  options.all = true;
  options.shared_size = true;
  auto images = co_await context_.images.list(std::move(options));
  auto& summary = usage.image_usage.emplace();
  std::int64_t active = 0;
  std::int64_t used = 0;
  for (const auto& image : images) {
    if (context_.containers.using_image(image.id).empty()) continue;
    ++active;
    used += image.size;
  }
  const std::int64_t layers = context_.images.layers_size();
  summary.active_count = active;
  summary.total_count = static_cast<std::int64_t>(images.size());
  summary.total_size = layers;
  summary.reclaimable = std::max<std::int64_t>(0, layers - used);
  usage.layers_size = layers;
  usage.images = std::move(images);
}

Task<void> SystemService::add_volumes(api::SystemDataUsageResponse& usage) {
  auto volumes = co_await context_.volumes.usage();
  auto& summary = usage.volume_usage.emplace();
  std::int64_t active = 0;
  std::int64_t total = 0;
  std::int64_t reclaimable = 0;
  for (const auto& volume : volumes) {
    const std::int64_t size = volume.usage_data ? std::max<std::int64_t>(0, volume.usage_data->size) : 0;
    const bool is_used = volume.usage_data && volume.usage_data->ref_count > 0;
    total += size;
    active += is_used ? 1 : 0;
    reclaimable += is_used ? 0 : size;
  }
  summary.active_count = active;
  summary.total_count = static_cast<std::int64_t>(volumes.size());
  summary.total_size = total;
  summary.reclaimable = reclaimable;
  usage.volumes = std::move(volumes);
}

Task<api::SystemDataUsageResponse> SystemService::disk_usage(DiskUsageOptions options) {
  api::SystemDataUsageResponse usage;
  if (options.images) co_await add_images(usage);
  if (options.containers) co_await add_containers(usage);
  if (options.volumes) co_await add_volumes(usage);
  if (options.build_cache) {
    usage.build_cache.emplace();
    auto& summary = usage.build_cache_usage.emplace();
    summary.active_count = 0;
    summary.total_count = 0;
    summary.total_size = 0;
    summary.reclaimable = 0;
  }
  co_return usage;
}

Task<std::unique_ptr<EventStream>> SystemService::events(EventOptions options) { co_return context_.events.subscribe(std::move(options)); }

}  // namespace sockerless
