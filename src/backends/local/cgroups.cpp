#include "backends/local/cgroups.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBase = "/sys/fs/cgroup";

std::vector<std::int64_t> read_pids(const std::string& directory) {
  std::vector<std::int64_t> pids;
  std::ifstream file(directory + "/cgroup.procs");
  for (std::int64_t pid = 0; file >> pid;) pids.push_back(pid);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (!entry.is_directory(error)) continue;
    const auto below = read_pids(entry.path());
    pids.insert(pids.end(), below.begin(), below.end());
  }
  return pids;
}

void remove_tree(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> children;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_directory(error)) children.push_back(entry.path());
  }
  for (const auto& child : children) remove_tree(child);
  ::rmdir(directory.c_str());
}

}  // namespace

std::string container_cgroup(const std::string& id) { return "/sockerless/" + id; }

CgroupHost CgroupHost::blocking_detect() {
  CgroupHost host;
  std::ifstream mounts("/proc/self/mounts");
  bool has_v1 = false;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string point;
    std::string type;
    std::string options;
    fields >> device >> point >> type >> options;
    if (type == "cgroup") {
      has_v1 = true;
      host.mount_points_.insert(point);
      std::istringstream names(options);
      for (std::string name; std::getline(names, name, ',');) {
        if (fs::path(point).filename().string().find(name) != std::string::npos) host.controllers_.insert(name);
      }
    } else if (type == "cgroup2" && point == kBase) {
      host.root_ = point;
    }
  }
  if (!has_v1 && !host.root_.empty()) {
    host.version_ = 2;
    host.mount_points_ = {host.root_};
    std::ifstream file(host.root_ + "/cgroup.controllers");
    for (std::string name; file >> name;) host.controllers_.insert(name);
    host.has_blkio_weight_ = host.has("io");
    host.has_swap_limit_ = host.has("memory") && fs::exists("/proc/swaps");
  } else {
    const std::string blkio = std::string(kBase) + "/blkio/blkio.";
    host.has_blkio_weight_ = fs::exists(blkio + "weight") || fs::exists(blkio + "bfq.weight");
    host.has_swap_limit_ = fs::exists(std::string(kBase) + "/memory/memory.memsw.limit_in_bytes");
  }
  return host;
}

std::string CgroupHost::directory(const std::string& controller, const std::string& group) const {
  return version_ == 2 ? root_ + group : fmt::format("{}/{}{}", kBase, controller, group);
}

std::vector<std::string> CgroupHost::directories(const std::string& group) const {
  std::vector<std::string> result;
  result.reserve(mount_points_.size() + 1);
  for (const auto& point : mount_points_) result.push_back(point + group);
  if (version_ == 1) result.push_back(std::string(kBase) + "/unified" + group);
  return result;
}

std::string CgroupHost::oom_file(const std::string& group) const {
  if (!has("memory")) return {};
  return directory("memory", group) + (version_ == 2 ? "/memory.events" : "/memory.oom_control");
}

std::vector<std::int64_t> CgroupHost::blocking_pids(const std::string& group) const {
  for (const auto& point : directories(group)) {
    std::error_code error;
    if (!fs::is_directory(point, error)) continue;
    auto pids = read_pids(point);
    if (!pids.empty()) return pids;
  }
  return {};
}

void CgroupHost::blocking_remove(const std::string& group) const {
  // A killed process leaves its group when it is reaped; a few short looks are enough, a group that stays does no harm.
  for (int attempt = 0; attempt < 50; ++attempt) {
    const auto pids = blocking_pids(group);
    if (pids.empty()) break;
    for (const auto pid : pids) ::kill(static_cast<pid_t>(pid), SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const auto& point : directories(group)) {
    std::error_code error;
    if (fs::is_directory(point, error)) remove_tree(point);
  }
}

}  // namespace sockerless::local
