#include "backends/local/build_flags.hpp"

#include <algorithm>
#include <array>
#include <string_view>

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

// Names that say something to buildah, to the programs it starts or to their libraries.
constexpr auto kTakenNames = std::to_array<std::string_view>({"DOCKER_CERT_PATH",
                                                              "DOCKER_CONFIG",
                                                              "DOCKER_HOST",
                                                              "DOCKER_TLS_VERIFY",
                                                              "ENV",
                                                              "GIT_ASKPASS",
                                                              "GIT_DIR",
                                                              "GOCOVERDIR",
                                                              "GODEBUG",
                                                              "GOGC",
                                                              "GOMAXPROCS",
                                                              "GOMEMLIMIT",
                                                              "GORACE",
                                                              "GOTRACEBACK",
                                                              "HOME",
                                                              "HOSTALIASES",
                                                              "IFS",
                                                              "LANG",
                                                              "LOCALDOMAIN",
                                                              "LOCPATH",
                                                              "LOGLEVEL",
                                                              "LOGNAME",
                                                              "NLSPATH",
                                                              "NOTIFY_SOCKET",
                                                              "PATH",
                                                              "PWD",
                                                              "REGISTRY_AUTH_FILE",
                                                              "RES_OPTIONS",
                                                              "SHELL",
                                                              "SOURCE_DATE_EPOCH",
                                                              "SSL_CERT_DIR",
                                                              "SSL_CERT_FILE",
                                                              "STORAGE_DRIVER",
                                                              "STORAGE_OPTS",
                                                              "TERM",
                                                              "TMPDIR",
                                                              "TZ",
                                                              "TZDIR",
                                                              "USER"});
constexpr auto kTakenPrefixes =
    std::to_array<std::string_view>({"_", "BASH", "BUILDAH_", "CONTAINERS_", "DBUS_", "GCONV_", "GETCONF_", "GIT_CONFIG", "GIT_EXEC",
                                     "GIT_SSH", "GIT_TRACE", "GLIBC_", "LC_", "LD_", "LIBPOD_", "LISTEN_", "MALLOC_", "RESOLV_", "XDG_"});

bool is_proxy(std::string_view name) { return name.ends_with("_proxy") || name.ends_with("_PROXY"); }

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// Whether a build argument can stand in the builder's environment without changing what the builder itself does. One named PATH stays
/// on the command line.
bool goes_by_environment(std::string_view name) {
  return is_variable_name(name) && !is_proxy(name) && std::ranges::find(kTakenNames, name) == kTakenNames.end() &&
         std::ranges::none_of(kTakenPrefixes, [name](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

std::vector<std::string> build_environment(const BuildSpec& spec) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : spec.arguments) {
    if (value && goes_by_environment(name)) variables.push_back(name + "=" + *value);
  }
  return variables;
}

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
    if (value) flags.insert(flags.end(), {"--build-arg", goes_by_environment(name) ? name : fmt::format("{}={}", name, *value)});
  }
  for (const auto& [key, value] : spec.labels) flags.insert(flags.end(), {"--label", fmt::format("{}={}", key, value)});
  add_limits(spec.params, flags);
  add_ulimits(spec.params.ulimits, flags);
  return flags;
}

}  // namespace sockerless::local
