#include <cstdio>

#include <fmt/format.h>

#include "apps/cli/commands.hpp"
#include "sdk/doctor.hpp"

namespace sockerless::cli {

int doctor_command(const DoctorCommandOptions& options) {
  const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(options.timeout_seconds));
  const DoctorReport report = run(
      examine_daemon(process_host_environment(), {.discovery = {.host = options.host, .context = options.context}, .timeout = timeout}));
  fmt::print("{}", options.json ? doctor_json(report) + "\n" : doctor_text(report));
  return static_cast<int>(report.result);
}

std::string doctor_exit_codes() {
  std::string text = "Exit codes:\n";
  for (const DoctorResultRow& row : doctor_results()) {
    text += fmt::format("  {:>2}  {:<17} {}\n", static_cast<int>(row.result), row.name, row.meaning);
  }
  return text + "  above 100: the command line cannot be understood\n";
}

}  // namespace sockerless::cli
