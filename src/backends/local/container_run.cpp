#include "backends/local/container_run.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "backends/local/monitor/protocol.hpp"
#include "backends/local/overlay.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Logger log("local");

constexpr auto kDeleteTimeout = std::chrono::seconds(20);
constexpr int kLostExitCode = 137;
constexpr const char* kLostWords = "the container's monitor ended unexpectedly: how the process ended is not known";

std::string text_of(const json::object& record, std::string_view name) {
  const auto* value = record.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

WorkloadExit parse_exit_record(const std::string& text) {
  boost::system::error_code error;
  const json::value document = json::parse(text, error);
  if (error || !document.is_object()) throw Error::internal("the container's exit record is damaged");
  const auto& record = document.as_object();
  const auto number = [&](std::string_view name) {
    const auto* value = record.if_contains(name);
    if (value == nullptr || !value->is_int64()) throw Error::internal("the container's exit record has no {}", name);
    return value->as_int64();
  };
  WorkloadExit result;
  result.exit_code = static_cast<int>(number("exit_code"));
  result.finished_at = TimePoint(std::chrono::nanoseconds(number("finished_at")));
  const auto* oom = record.if_contains("oom_killed");
  result.oom_killed = oom != nullptr && oom->is_bool() && oom->as_bool();
  result.error = text_of(record, "error");
  if (const auto* dropped = record.if_contains("log_dropped"); dropped != nullptr && dropped->is_int64() && dropped->as_int64() > 0) {
    log.warn("container output was dropped: the disk was full bytes={}", dropped->as_int64());
  }
  return result;
}

std::optional<WorkloadExit> blocking_read_exit_record(const std::string& directory) {
  std::ifstream file(directory + "/" + kExitRecordName);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return parse_exit_record(text.str());
}

void blocking_clean_run(const std::vector<std::string>& runtime, const CgroupHost& cgroups, const ContainerId& id,
                        const std::string& directory) {
  if (!runtime.empty()) {
    auto command = runtime;
    command.insert(command.end(), {"delete", "--force", id.str()});
    const ProgramResult result = blocking_run_program(command, kDeleteTimeout);
    if (result.timed_out) log.warn("the runtime's delete hung id={}", id.str());
  }
  cgroups.blocking_remove(container_cgroup(id.str()));
  blocking_unmount_all(directory);
  std::error_code ignored;  // a file that is not there is what is wanted
  for (const char* name : {kControlSocketName, kConsoleSocketName, kPidFileName}) fs::remove(directory + "/" + name, ignored);
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().starts_with("exec-")) fs::remove(entry.path(), ignored);
  }
}

WorkloadExit blocking_bury_lost_run(const std::vector<std::string>& runtime, const CgroupHost& cgroups, const ContainerId& id,
                                    const std::string& directory) {
  log.error("a container's monitor is lost id={}", id.str());
  blocking_clean_run(runtime, cgroups, id, directory);
  WorkloadExit lost;
  lost.exit_code = kLostExitCode;
  lost.finished_at = system_clock().now();
  lost.error = kLostWords;
  const json::object record{
      {"exit_code", lost.exit_code}, {"oom_killed", false}, {"finished_at", unix_nanoseconds(lost.finished_at)}, {"error", lost.error}};
  const std::string path = directory + "/" + kExitRecordName;
  std::ofstream(path + ".tmp") << json::serialize(record) << '\n';
  fs::rename(path + ".tmp", path);
  return lost;
}

}  // namespace sockerless::local
