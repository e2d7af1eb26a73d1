#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "bench/peers.hpp"
#include "bench/report.hpp"

namespace sockerless::bench {

/// What every measure works with: the program under test and the peers that are installed, started once.
struct Bench {
  std::filesystem::path program;  ///< of `sockerless`
  std::string rootfs;             ///< tar
  Report& report;
};

/// The groups of measures by the name that --only takes, in the order they run.
const std::vector<std::pair<std::string, std::function<void(Bench&)>>>& measures();

}  // namespace sockerless::bench
