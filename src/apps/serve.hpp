#pragma once

#include <vector>

#include "base/settings.hpp"

namespace sockerless {

/// Every setting of `sockerless serve`: flag, environment variable, key of the configuration file, default.
std::vector<SettingSpec> serve_settings();

/// Serves the Docker Engine API until SIGTERM or SIGINT. @return the process's exit code.
int serve(const Settings& settings);

}  // namespace sockerless
