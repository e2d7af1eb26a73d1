#include "backends/local/build_flags.hpp"

#include <fmt/format.h>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace {

/// RUN works in the host's network: what a Dockerfile fetches is reached as on the machine itself.
std::string network_of(const std::string& mode) {
  if (mode.empty() || mode == "default" || mode == "bridge" || mode == "host") return "host";
  if (mode == "none") return "none";
  throw Error::not_implemented("building in the network {} is not supported: use the default network, host or none", mode);
}

void add_limits(const api::ImageBuildParams& params, std::vector<std::string>& flags) {
  const auto add = [&](const char* flag, const std::optional<std::int64_t>& value) {
    if (value && *value != 0) flags.insert(flags.end(), {flag, std::to_string(*value)});
  };
  add("--memory", params.memory);
  add("--memory-swap", params.memswap);
  add("--cpu-shares", params.cpushares);
  add("--cpu-period", params.cpuperiod);
  add("--cpu-quota", params.cpuquota);
  add("--shm-size", params.shmsize);
  if (!params.cpusetcpus.empty()) flags.insert(flags.end(), {"--cpuset-cpus", params.cpusetcpus});
  if (!params.cpusetmems.empty()) flags.insert(flags.end(), {"--cpuset-mems", params.cpusetmems});
}

void add_ulimits(const std::string& text, std::vector<std::string>& flags) {
  if (text.empty()) return;
  std::vector<api::ResourcesUlimits> limits;
  try {
    limits = api::parse_json<std::vector<api::ResourcesUlimits>>(text);
  } catch (const Error& error) {
    throw Error::invalid_argument("error reading ulimit settings: {}", error.message());
  }
  for (const auto& limit : limits) {
    flags.insert(flags.end(),
                 {"--ulimit", fmt::format("{}={}:{}", limit.name.value_or(""), limit.soft.value_or(0), limit.hard.value_or(0))});
  }
}

}  // namespace

std::vector<std::string> build_flags(const BuildSpec& spec) {
  // --format docker: OCI's configuration has no HEALTHCHECK, ONBUILD and SHELL.
  std::vector<std::string> flags{"--layers",     "--force-rm",
                                 "--pull=never", "--format",
                                 "docker",       "--identity-label=false",
                                 "--network",    network_of(spec.params.networkmode)};
  if (spec.params.nocache) flags.emplace_back("--no-cache");
  if (!spec.params.target.empty()) flags.insert(flags.end(), {"--target", spec.params.target});
  if (!spec.params.platform.empty()) flags.insert(flags.end(), {"--platform", spec.params.platform});
  for (const auto& host : spec.params.extrahosts) flags.insert(flags.end(), {"--add-host", host});
  for (const auto& [name, value] : spec.arguments) {
    if (value) flags.insert(flags.end(), {"--build-arg", name + "=" + *value});
  }
  for (const auto& [key, value] : spec.labels) flags.insert(flags.end(), {"--label", key + "=" + value});
  add_limits(spec.params, flags);
  add_ulimits(spec.params.ulimits, flags);
  return flags;
}

}  // namespace sockerless::local
