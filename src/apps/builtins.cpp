#include "apps/builtins.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/ranges.h>

#include "apps/cli/daemon.hpp"
#include "backends/docker/docker_backend.hpp"
#include "backends/local/local_backend.hpp"
#include "backends/memory/memory_backend.hpp"
#include "base/error.hpp"

namespace sockerless {

void BackendRegistry::add(std::string name, BackendFactory factory) { factories_.emplace(std::move(name), std::move(factory)); }

const BackendFactory& BackendRegistry::get(const std::string& name) const {
  const auto it = factories_.find(name);
  if (it == factories_.end()) throw Error::invalid_argument("unknown backend \"{}\": there are {}", name, fmt::join(names(), ", "));
  return it->second;
}

std::vector<std::string> BackendRegistry::names() const {
  std::vector<std::string> names;
  names.reserve(factories_.size());
  for (const auto& [name, factory] : factories_) names.push_back(name);
  return names;
}

namespace {

/// The first unix socket of --host: what a container that binds Docker's socket gets.
std::string own_socket(const Settings& settings) {
  constexpr std::string_view kUnix = "unix://";
  const auto hosts = settings.get_all("host");
  if (hosts.empty()) return cli::default_socket();
  const auto found = std::ranges::find_if(hosts, [&](const std::string& host) { return host.starts_with(kUnix); });
  return found == hosts.end() ? std::string() : std::filesystem::absolute(found->substr(kUnix.size())).string();
}

std::unique_ptr<Backend> open_local(const BackendContext& context) {
  return make_local_backend({.executor = context.program.executor(),
                             .blocking_pool = context.program.blocking_pool(),
                             .state_directory = context.settings.get("state"),
                             .runtime = context.settings.get("runtime"),
                             .insecure_registries = context.settings.get_all("insecure-registry"),
                             .monitor_path = {},
                             .docker_socket = own_socket(context.settings)});
}

/// The daemon at --docker-host, else the one that this user's docker command would talk to. Its clients are refused while it is away, so
/// that is looked at often.
std::unique_ptr<Backend> open_docker(const BackendContext& context) {
  DockerConfig daemon = docker_config_of(context.settings.get("docker-host"));
  daemon.health_check_interval = std::chrono::seconds(2);
  daemon.max_breaker_delay = std::chrono::seconds(5);
  daemon.breaker_failures = 3;
  return make_docker_backend({.daemon = std::move(daemon)});
}

std::unique_ptr<Backend> open_memory(const BackendContext& context) {
  return make_memory_backend({.executor = context.program.executor(), .blocking_pool = context.program.blocking_pool()});
}

}  // namespace

BackendRegistry builtin_backends() {
  BackendRegistry registry;
  registry.add("docker", open_docker);
  registry.add("local", open_local);
  registry.add("memory", open_memory);
  return registry;
}

}  // namespace sockerless
