#include "tests/faults/remains.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

/// Lines of a file that name the path.
std::vector<std::string> lines_with(const std::filesystem::path& file, const std::string& text) {
  std::vector<std::string> found;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.find(text) != std::string::npos) found.push_back(line);
  }
  return found;
}

/// Command lines of processes that work for this state directory, the daemon's own apart.
std::vector<std::string> processes_of(const std::string& state, pid_t daemon) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos || pid == std::to_string(daemon) || pid == std::to_string(::getpid()))
      continue;
    std::ifstream in(entry.path() / "cmdline");
    std::string command((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::ranges::replace(command, '\0', ' ');
    if (command.find(state) != std::string::npos) found.push_back(command);
  }
  return found;
}

/// Files and cgroups that are named after one of the containers.
std::vector<std::string> paths_named(const std::filesystem::path& root, const std::vector<std::string>& ids) {
  std::vector<std::string> found;
  std::error_code ignored;  // cgroups come and go while they are walked
  for (auto it = std::filesystem::recursive_directory_iterator(root, std::filesystem::directory_options::skip_permission_denied, ignored);
       it != std::filesystem::recursive_directory_iterator(); it.increment(ignored)) {
    const std::string name = it->path().filename();
    if (std::ranges::any_of(ids, [&name](const std::string& id) { return name.find(id) != std::string::npos; }))
      found.push_back(it->path());
  }
  return found;
}

template <typename F>
void expect_soon_empty(F what_is_left, const char* what) {
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  auto left = what_is_left();
  while (!left.empty() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
    left = what_is_left();
  }
  EXPECT_THAT(left, IsEmpty()) << what;
}

}  // namespace

void expect_nothing_left(const Daemon& daemon, const std::vector<std::string>& container_ids) {
  const std::string state = daemon.state();
  expect_soon_empty([&] { return processes_of(state, daemon.pid()); }, "processes");
  expect_soon_empty([&] { return lines_with("/proc/self/mountinfo", state); }, "mounts");
  expect_soon_empty([&] { return paths_named(state, container_ids); }, "files");
  expect_soon_empty([&] { return paths_named("/sys/fs/cgroup", container_ids); }, "cgroups");
}

}  // namespace sockerless::support
