#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::memory {

/// Containers that do not run: each follows the script in its labels (README.md).
/// @param executor  where the scripts' timers run.
std::unique_ptr<WorkloadDriver> make_workload_driver(asio::any_io_executor executor, Clock& clock);

}  // namespace sockerless::memory
