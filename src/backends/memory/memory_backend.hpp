#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "backend/backend.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

namespace sockerless {

/// What the memory backend stands on. References outlive it.
struct MemoryOptions {
  asio::any_io_executor executor;  ///< where supervisors, health checks and the scripts' timers run
  BlockingPool& blocking_pool;
  Clock& clock = system_clock();
  Random& random = system_random();
  std::string spool_directory = "/tmp";  ///< where an archive that is being read lies meanwhile, without a name
};

/// Docker's semantics over containers that do not run (README.md). All state is lost on restart; for testing only.
std::unique_ptr<Backend> make_memory_backend(MemoryOptions options);

}  // namespace sockerless
