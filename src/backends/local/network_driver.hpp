#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "backends/local/network/host_networks.hpp"
#include "base/task.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// Networks of bridges, interfaces and nftables rules on this host; `none` and `host` are the OCI configuration's.
///
/// @param networks  shared with the workload driver. @param pool  outlives the driver.
/// @param executor  where it listens to what other programs do to the rules.
std::unique_ptr<NetworkDriver> make_network_driver(std::shared_ptr<HostNetworks> networks, BlockingPool& pool,
                                                   asio::any_io_executor executor);

}  // namespace sockerless::local
