#include "backends/local/runtime_selection.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "backends/local/cgroups.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Logger log("local");

constexpr auto kCheckTimeout = std::chrono::seconds(20);

fs::path state_base(const std::string& state) { return runtime_folder(state); }

std::string state_folder(const std::string& name, const std::string& state) { return state_base(state) / name; }

std::vector<std::string> runtime_command(const std::string& name, const std::string& path, const std::string& state) {
  const std::string root = state_folder(name, state);
  fs::create_directories(root);
  fs::permissions(root, fs::perms::owner_all);
  std::vector<std::string> command = {path, "--root", root};
  if (name.starts_with("crun")) command.emplace_back("--cgroup-manager=cgroupfs");  // runc's default
  return command;
}

/// The smallest container that still uses what every container uses: namespaces, control groups, capabilities, a pivoted root.
json::object probe_config(const std::string& id) {
  json::array namespaces;
  for (const char* type : {"mount", "pid", "ipc", "uts", "network"}) namespaces.push_back(json::object{{"type", type}});
  json::array mounts;
  mounts.push_back(json::object{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}});
  json::array arguments = {"/probe", "probe"};
  return {{"ociVersion", "1.0.2"},
          {"process", json::object{{"terminal", false},
                                   {"user", json::object{{"uid", 0}, {"gid", 0}}},
                                   {"args", std::move(arguments)},
                                   {"cwd", "/"},
                                   {"noNewPrivileges", true}}},
          {"root", json::object{{"path", "root"}, {"readonly", false}}},
          {"mounts", std::move(mounts)},
          {"linux", json::object{{"cgroupsPath", container_cgroup(id)}, {"namespaces", std::move(namespaces)}}}};
}

/// @return the runtime's complaint; empty: it works.
std::string blocking_check(const std::vector<std::string>& command, const std::string& monitor, const std::string& state) {
  const std::string id = "sockerless-check-" + system_random().hex64().substr(0, 12);
  const std::string bundle = state + "/" + id;
  for (const char* name : {"proc", "dev"}) fs::create_directories(bundle + "/root/" + name);
  fs::copy_file(monitor, bundle + "/root/probe");
  fs::permissions(bundle + "/root/probe", fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  std::ofstream(bundle + "/config.json") << json::serialize(probe_config(id));
  auto run = command;
  run.insert(run.end(), {"run", "--bundle", bundle, id});
  std::string problem;
  try {
    const ProgramResult result = blocking_run_program(run, kCheckTimeout);
    if (result.timed_out) problem = "it did not end";
    if (problem.empty() && result.exit_code != 0) {
      problem = plain_words(result.error.empty() ? result.output : result.error);
      if (problem.empty()) problem = fmt::format("exit status {}", result.exit_code);
    }
    if (!problem.empty()) {
      auto remove = command;
      remove.insert(remove.end(), {"delete", "--force", id});
      blocking_run_program(remove, kCheckTimeout);
      CgroupHost::blocking_detect().blocking_remove(container_cgroup(id));
    }
  } catch (const Error& error) {
    problem = error.message();
  }
  std::error_code ignored;  // what stays is removed by the next restore
  fs::remove_all(bundle, ignored);
  return problem;
}

}  // namespace

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

std::string runtime_folder(const std::string& state) {
  return ::access("/run", W_OK) == 0 ? fmt::format("/run/sockerless/{:016x}", stable_hash(state)) : state + "/runtime";
}

std::string plain_words(const std::string& runtime_text) {
  std::string result;
  std::istringstream lines(runtime_text);
  for (std::string line; std::getline(lines, line);) {
    std::string words = line;
    if (const std::size_t at = line.find(" msg=\""); at != std::string::npos) {
      if (line.find("level=error") == std::string::npos && line.find("level=fatal") == std::string::npos) continue;
      words.clear();
      for (std::size_t i = at + 6; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] == '\\' && i + 1 < line.size()) ++i;
        words += line[i];
      }
    }
    while (!words.empty() && words.back() == '\r') words.pop_back();
    if (words.empty()) continue;
    if (!result.empty()) result += "; ";
    result += words;
  }
  return result;
}

void blocking_remove_empty_runtime_state(const std::string& state) {
  const fs::path base = state_base(state);
  std::error_code ignored;  // a folder that is not empty stays, which is what is wanted
  for (const auto& folder : fs::directory_iterator(base, ignored)) fs::remove(folder.path(), ignored);
  fs::remove(base, ignored);
}

OciRuntime make_oci_runtime(const std::string& path, const std::string& state) {
  const std::string name = fs::path(path).filename();
  return {name, path, runtime_command(name, path, state), state_folder(name, state)};
}

OciRuntime blocking_select_runtime(const std::string& wanted, const std::string& monitor, const std::string& state) {
  if (::access(monitor.c_str(), X_OK) != 0)
    throw Error::unavailable("the program {} is missing: it is installed beside the daemon", monitor);
  fs::create_directories(state);
  std::string problems;
  const std::vector<std::string> candidates = wanted.empty() ? std::vector<std::string>{"crun", "runc"} : std::vector<std::string>{wanted};
  for (const auto& candidate : candidates) {
    const std::string path = find_program(candidate);
    const std::string name = fs::path(candidate).filename();
    if (path.empty()) {
      problems += fmt::format("{}{}: not installed", problems.empty() ? "" : "; ", candidate);
      continue;
    }
    OciRuntime runtime = make_oci_runtime(path, state);
    const std::string problem = blocking_check(runtime.command, monitor, state);
    if (problem.empty()) {
      log.info("oci runtime chosen name={} path={}", name, path);
      return runtime;
    }
    log.warn("oci runtime does not work here name={} path={} error={}", name, path, problem);
    problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", candidate, problem);
  }
  throw Error::unavailable("no OCI runtime works on this host (install the package crun or runc): {}", problems);
}

}  // namespace sockerless::local
