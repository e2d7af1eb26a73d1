#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "backend/backend.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

namespace sockerless {

/// What the local backend stands on. References outlive it.
struct LocalOptions {
  asio::any_io_executor executor;  ///< where supervisors, health checks and the listeners to monitors run
  BlockingPool& blocking_pool;
  Clock& clock = system_clock();
  Random& random = system_random();
  std::string state_directory = "/var/lib/sockerless";  ///< "memory": a new directory under /tmp and no database
  std::string runtime{};                                ///< OCI runtime, a name or a path; empty: crun, else runc
  std::vector<std::string> insecure_registries{};       ///< "host:port": HTTP and any certificate will do, as for loopback
  std::string monitor_path{};                           ///< empty: sockerless-monitor beside the running program
  std::string docker_socket{};                          ///< the unix socket on which the Docker API is served; empty: none
};

/// Docker's semantics over real containers on this machine (README.md). Blocks while it opens its directory.
/// @errors conflict: another daemon uses the directory; unavailable: it cannot be used.
std::unique_ptr<Backend> make_local_backend(LocalOptions options);

}  // namespace sockerless
