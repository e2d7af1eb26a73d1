#include "backends/local/capabilities.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <sys/prctl.h>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

/// By their number in the kernel (linux/capability.h).
constexpr std::array<std::string_view, 41> kNames = {"CAP_CHOWN",
                                                     "CAP_DAC_OVERRIDE",
                                                     "CAP_DAC_READ_SEARCH",
                                                     "CAP_FOWNER",
                                                     "CAP_FSETID",
                                                     "CAP_KILL",
                                                     "CAP_SETGID",
                                                     "CAP_SETUID",
                                                     "CAP_SETPCAP",
                                                     "CAP_LINUX_IMMUTABLE",
                                                     "CAP_NET_BIND_SERVICE",
                                                     "CAP_NET_BROADCAST",
                                                     "CAP_NET_ADMIN",
                                                     "CAP_NET_RAW",
                                                     "CAP_IPC_LOCK",
                                                     "CAP_IPC_OWNER",
                                                     "CAP_SYS_MODULE",
                                                     "CAP_SYS_RAWIO",
                                                     "CAP_SYS_CHROOT",
                                                     "CAP_SYS_PTRACE",
                                                     "CAP_SYS_PACCT",
                                                     "CAP_SYS_ADMIN",
                                                     "CAP_SYS_BOOT",
                                                     "CAP_SYS_NICE",
                                                     "CAP_SYS_RESOURCE",
                                                     "CAP_SYS_TIME",
                                                     "CAP_SYS_TTY_CONFIG",
                                                     "CAP_MKNOD",
                                                     "CAP_LEASE",
                                                     "CAP_AUDIT_WRITE",
                                                     "CAP_AUDIT_CONTROL",
                                                     "CAP_SETFCAP",
                                                     "CAP_MAC_OVERRIDE",
                                                     "CAP_MAC_ADMIN",
                                                     "CAP_SYSLOG",
                                                     "CAP_WAKE_ALARM",
                                                     "CAP_BLOCK_SUSPEND",
                                                     "CAP_AUDIT_READ",
                                                     "CAP_PERFMON",
                                                     "CAP_BPF",
                                                     "CAP_CHECKPOINT_RESTORE"};

constexpr std::array<std::string_view, 14> kDefaults = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",           "CAP_MKNOD",      "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP",      "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",    "CAP_AUDIT_WRITE"};

constexpr std::string_view kAll = "ALL";

std::string normalize(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name == kAll || name == "CAP_ALL") return std::string(kAll);
  if (!name.starts_with("CAP_")) name.insert(0, "CAP_");
  return name;
}

std::set<std::string> normalize_all(const std::vector<std::string>& names, std::string_view what) {
  std::set<std::string> result;
  for (const auto& name : names) {
    std::string normal = normalize(name);
    if (normal != kAll && std::ranges::find(kNames, normal) == kNames.end()) {
      throw Error::invalid_argument("invalid {}: unknown capability: \"{}\"", what, normal);
    }
    result.insert(std::move(normal));
  }
  return result;
}

}  // namespace

std::set<std::string> host_capabilities() {
  std::set<std::string> result;
  for (std::size_t number = 0; number < kNames.size(); ++number) {
    if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) result.emplace(kNames[number]);
  }
  return result;
}

std::set<std::string> container_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop, bool privileged) {
  const auto added = normalize_all(add, "CapAdd");
  const auto dropped = normalize_all(drop, "CapDrop");
  if (privileged) return host_capabilities();
  std::set<std::string> result;
  const std::string all(kAll);
  if (added.contains(all)) {
    result = host_capabilities();
  } else if (!dropped.contains(all)) {
    result.insert(kDefaults.begin(), kDefaults.end());
  }
  for (const auto& name : dropped) result.erase(name);
  for (const auto& name : added) {
    if (name != kAll) result.insert(name);
  }
  return result;
}

}  // namespace sockerless::local
