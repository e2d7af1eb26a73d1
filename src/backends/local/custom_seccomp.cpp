#include "backends/local/custom_seccomp.hpp"

#include <cstdio>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "base/error.hpp"

namespace sockerless::local {

namespace json = boost::json;

namespace {

struct Host {
  const std::set<std::string>& capabilities;
  std::string_view architecture;  // Docker's name: "amd64"
  std::string_view seccomp_name;  // "SCMP_ARCH_X86_64"
  std::pair<int, int> kernel{0, 0};

  void set_machine(std::string_view docker_name, std::string_view name) {
    architecture = docker_name;
    seccomp_name = name;
  }
};

const json::array* list_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_array() && !value->as_array().empty() ? &value->as_array() : nullptr;
}

const json::object* object_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? &value->as_object() : nullptr;
}

std::pair<int, int> kernel_version(const std::string& text) {
  std::pair<int, int> version{0, 0};
  if (std::sscanf(text.c_str(), "%d.%d", &version.first, &version.second) < 1) return {0, 0};
  return version;
}

bool contains(const json::array& list, std::string_view wanted) {
  for (const auto& one : list) {
    if (one.is_string() && one.as_string() == wanted) return true;
  }
  return false;
}

bool has_all(const json::array& wanted, const Host& host) {
  for (const auto& one : wanted) {
    if (one.is_string() && !host.capabilities.contains(std::string(one.as_string()))) return false;
  }
  return true;
}

bool has_any(const json::array& wanted, const Host& host) {
  for (const auto& one : wanted) {
    if (one.is_string() && host.capabilities.contains(std::string(one.as_string()))) return true;
  }
  return false;
}

bool is_new_enough(const json::object& filter, const Host& host) {
  const auto* minimum = filter.if_contains("minKernel");
  return minimum == nullptr || !minimum->is_string() || host.kernel >= kernel_version(std::string(minimum->as_string()));
}

/// Whether a rule holds on this host for this process.
bool holds(const json::object& rule, const Host& host) {
  if (const auto* excludes = object_of(rule, "excludes")) {
    if (const auto* architectures = list_of(*excludes, "arches"); architectures && contains(*architectures, host.architecture))
      return false;
    if (const auto* capabilities = list_of(*excludes, "caps"); capabilities && has_any(*capabilities, host)) return false;
    if (excludes->contains("minKernel") && is_new_enough(*excludes, host)) return false;
  }
  if (const auto* includes = object_of(rule, "includes")) {
    if (const auto* architectures = list_of(*includes, "arches"); architectures && !contains(*architectures, host.architecture))
      return false;
    if (const auto* capabilities = list_of(*includes, "caps"); capabilities && !has_all(*capabilities, host)) return false;
    if (!is_new_enough(*includes, host)) return false;
  }
  return true;
}

/// @return nothing for a rule without names.
json::object rule_of(const json::object& rule) {
  json::object result;
  json::array names;
  if (const auto* list = list_of(rule, "names")) names = *list;
  if (const auto* name = rule.if_contains("name"); name != nullptr && name->is_string()) names.emplace_back(*name);
  if (names.empty()) return result;
  result["names"] = std::move(names);
  for (const char* member : {"action", "errnoRet"}) {
    if (const auto* value = rule.if_contains(member)) result[member] = *value;
  }
  if (const auto* arguments = list_of(rule, "args")) result["args"] = *arguments;
  return result;
}

json::array architectures_of(const json::object& profile, const Host& host) {
  if (const auto* plain = list_of(profile, "architectures")) return *plain;
  json::array result;
  const auto* map = list_of(profile, "archMap");
  if (map == nullptr) return result;
  for (const auto& entry : *map) {
    if (!entry.is_object()) continue;
    const auto* name = entry.as_object().if_contains("architecture");
    if (name == nullptr || !name->is_string() || name->as_string() != host.seccomp_name) continue;
    result.emplace_back(*name);
    if (const auto* below = list_of(entry.as_object(), "subArchitectures")) result.insert(result.end(), below->begin(), below->end());
  }
  return result;
}

}  // namespace

json::object custom_seccomp_profile(const std::string& text, const std::set<std::string>& capabilities, const std::string& machine,
                                    const std::string& kernel) {
  boost::system::error_code error;
  const json::value document = json::parse(text, error);
  if (error || !document.is_object())
    throw Error::invalid_argument("decoding seccomp profile failed: {}", error ? error.message() : "not an object");
  const auto& profile = document.as_object();
  Host host{capabilities, machine, {}, kernel_version(kernel)};
  if (machine == "x86_64") host.set_machine("amd64", "SCMP_ARCH_X86_64");
  if (machine == "aarch64") host.set_machine("arm64", "SCMP_ARCH_AARCH64");
  if (list_of(profile, "architectures") && list_of(profile, "archMap"))
    throw Error::invalid_argument(
        "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'");

  json::object result;
  for (const char* member : {"defaultAction", "defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"}) {
    if (const auto* value = profile.if_contains(member)) result[member] = *value;
  }
  if (auto architectures = architectures_of(profile, host); !architectures.empty()) result["architectures"] = std::move(architectures);
  json::array rules;
  if (const auto* list = list_of(profile, "syscalls")) {
    for (const auto& rule : *list) {
      if (!rule.is_object() || !holds(rule.as_object(), host)) continue;
      if (auto kept = rule_of(rule.as_object()); !kept.empty()) rules.push_back(std::move(kept));
    }
  }
  result["syscalls"] = std::move(rules);
  return result;
}

}  // namespace sockerless::local
