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

/// The client library beside the docker command line started as a process, doing the same work on a dockerd.
void measure_sdk(Bench& bench);
/// Ten thousand operations from 64 threads through one client.
void measure_mixed_operations(Bench& bench);

/// The local backend beside dockerd and podman, with bridges.
void measure_machine(Bench& bench);

/// What it costs to have Sockerless between a client and a dockerd.
void measure_relay(Bench& bench);

/// The groups of measures by the name that --only takes, in the order they run.
const std::vector<std::pair<std::string, std::function<void(Bench&)>>>& measures();

}  // namespace sockerless::bench
