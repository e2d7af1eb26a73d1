#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "backends/local/network/host_networks.hpp"
#include "backends/local/overlay.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

struct WorkloadOptions {
  std::string state_directory{};                                        ///< absolute; containers, the runtimes' state
  std::string runtime{};                                                ///< a name or path; empty: crun, else runc
  std::string monitor_path{};                                           ///< empty: sockerless-monitor beside the running program
  std::chrono::milliseconds runtime_timeout = std::chrono::minutes(1);  ///< a runtime that takes longer is killed
  std::shared_ptr<HostNetworks> networks{};                             ///< null: a container's network has the loopback device only
  std::string own_socket{};                                             ///< where the daemon serves the Docker API; empty: nowhere
  UniqueFd directory_lock{};                                            ///< kept as long as the driver: one daemon a state directory
};

/// Containers as processes of this machine, each held by a monitor process that outlives the daemon.
///
/// @param layers    shared with the image driver. @param pool  outlives the driver.
/// @param executor  where the tasks that listen to monitors run.
std::unique_ptr<WorkloadDriver> make_workload_driver(WorkloadOptions options, std::shared_ptr<LayerSource> layers, BlockingPool& pool,
                                                     asio::any_io_executor executor);

}  // namespace sockerless::local
