#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "base/program.hpp"
#include "base/settings.hpp"

namespace sockerless {

/// A program that serves one backend over /internal/v1.
struct BackendProgram {
  std::string name;                   ///< "sockerless-backend-memory"
  std::string description;            ///< one line for --help
  std::vector<SettingSpec> settings;  ///< beyond those every such program has
  std::function<std::unique_ptr<Backend>(Program&, const Settings&)> make_backend;
  std::set<std::string> flags = {};              ///< those of the settings that take no value on the command line
  std::map<std::string, std::string> help = {};  ///< of the settings, by name
};

/// Every backend program's main: reads flags and environment, serves until SIGTERM or SIGINT, drains, ends with 0.
///
/// Settings all of them have: socket (SOCKERLESS_BACKEND_SOCKET; /var/run/sockerless-backend.sock unless only tcp is given), tcp
/// (SOCKERLESS_BACKEND_TCP), insecure, log-level, threads. @return the process's exit code.
int run_backend_program(int argc, char** argv, const BackendProgram& program);

}  // namespace sockerless
