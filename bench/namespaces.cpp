#include "bench/namespaces.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::bench {

namespace {

namespace fs = std::filesystem;

void raise_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{.ifr_ifrn = {.ifrn_name = "lo"}, .ifr_ifru = {.ifru_flags = IFF_UP}};
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw from_errno(errno, "bring up the loopback device");
}

void mount_or_throw(const char* source, const std::string& target, const char* type, unsigned long flags, const char* options = nullptr) {
  if (::mount(source, target.c_str(), type, flags, options) != 0) throw from_errno(errno, "mount " + target);
}

/// crun refuses hosts where v1 and v2 controllers are mixed; the one that is left over there is hugetlb. It is mounted in a copy of
/// /sys/fs/cgroup: other processes see the folder of the host.
bool take_hugetlb_from_v2() {
  const fs::path host = "/sys/fs/cgroup";
  if (!fs::exists(host / "memory/tasks") || !fs::exists(host / "unified") || fs::exists(host / "hugetlb")) return false;
  const fs::path copy = "/mnt";  // a place to build it; the mount is ours alone
  mount_or_throw("tmpfs", copy, "tmpfs", 0, "mode=755");
  for (const auto& hierarchy : fs::directory_iterator(host)) {
    if (hierarchy.is_symlink() || !hierarchy.is_directory()) continue;
    const fs::path place = copy / hierarchy.path().filename();
    fs::create_directory(place);
    mount_or_throw(hierarchy.path().c_str(), place, nullptr, MS_BIND);
  }
  fs::create_directory(copy / "hugetlb");
  mount_or_throw("cgroup", copy / "hugetlb", "cgroup", 0, "hugetlb");
  mount_or_throw(copy.c_str(), host, nullptr, MS_MOVE);
  return true;
}

std::vector<std::string> list_hugetlb_groups() {
  std::vector<std::string> groups;
  for (const auto& entry : fs::recursive_directory_iterator("/sys/fs/cgroup/hugetlb")) {
    if (entry.is_directory()) groups.push_back(entry.path());
  }
  return groups;
}

}  // namespace

OwnNamespaces::OwnNamespaces() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) throw from_errno(errno, "make namespaces for the benchmark (it needs root)");
  mount_or_throw(nullptr, "/", nullptr, MS_REC | MS_PRIVATE);
  raise_loopback();
  has_taken_hugetlb_ = take_hugetlb_from_v2();
  if (has_taken_hugetlb_) before_ = list_hugetlb_groups();
}

/// podman keeps a process beside an exec for minutes after its end.
OwnNamespaces::~OwnNamespaces() {
  if (!has_taken_hugetlb_) return;
  for (const std::string& group : std::views::reverse(list_hugetlb_groups())) {
    if (std::ranges::find(before_, group) != before_.end()) continue;
    std::ifstream processes(group + "/cgroup.procs");
    for (pid_t pid = 0; processes >> pid;) ::kill(pid, SIGKILL);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (::rmdir(group.c_str()) != 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  }
}

}  // namespace sockerless::bench
