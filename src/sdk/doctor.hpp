#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/task.hpp"
#include "sockerless/diagnosis.hpp"
#include "sockerless/endpoint.hpp"
#include "sockerless/host_environment.hpp"

namespace sockerless {

/// What an examination ended with. The number is the exit code of `sockerless doctor`, which scripts rely on: never change one.
enum class DoctorResult : std::uint8_t {
  reachable = 0,
  failed = 1,
  bad_configuration = 10,
  permission = 11,
  not_found = 12,
  not_listening = 13,
  timeout = 14,
  version_mismatch = 15,
  wrong_context = 16,
  tls = 17,
  unreachable_host = 18,
  not_docker = 19,
  ssh = 20,
};

struct DoctorResultRow {
  DoctorResult result;
  std::string_view name;     ///< for scripts: "not_listening"
  std::string_view meaning;  ///< for people
};

/// All results in the order of their numbers.
std::span<const DoctorResultRow> doctor_results();

/// Whether a daemon can be reached, and if not why and what to do.
struct DoctorReport {
  struct Daemon {
    std::string version;
    std::string api_version;
    std::string min_api_version;
    std::string platform;  ///< "linux/amd64"
  };

  DoctorResult result = DoctorResult::failed;
  std::string address;  ///< empty: it was not found out
  std::string origin;   ///< what named the address
  std::optional<std::chrono::milliseconds> answered_after;
  std::optional<Daemon> daemon;
  std::string api_version;  ///< what a client would speak
  std::optional<ConnectProblem> connect_problem;
  std::string problem;  ///< one sentence; empty when all is well
  std::vector<std::string> ways_out;
};

struct DoctorOptions {
  DiscoveryOptions discovery = {};
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  ///< of everything that waits for the daemon
};

/// Looks for the daemon as any client of this user would, connects, asks for its version. Never throws; a failure is the report. Blocks for
/// the look at files and a local connect.
Task<DoctorReport> examine_daemon(const HostEnvironment& environment, DoctorOptions options);

/// The report for people, lines ending in a newline.
std::string doctor_text(const DoctorReport& report);
/// The report for programs: one JSON object with result, exit_code, address, origin, and where they apply daemon, api_version,
/// connect_problem, problem, ways_out.
std::string doctor_json(const DoctorReport& report);

}  // namespace sockerless
