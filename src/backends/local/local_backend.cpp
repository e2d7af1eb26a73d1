#include "backends/local/local_backend.hpp"

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "backends/local/build_driver.hpp"
#include "backends/local/image_driver.hpp"
#include "backends/local/network_driver.hpp"
#include "backends/local/volume_driver.hpp"
#include "backends/local/workload_driver.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "engine/engine.hpp"

namespace sockerless {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kInMemory = "memory";

Capabilities local_capabilities() {
  return {.backend = "local",
          .version = SOCKERLESS_VERSION,
          .exec = true,
          .attach = true,
          .logs = true,
          .logs_follow = true,
          .volumes = true,
          .networks = true,
          .health_checks = true,
          .image_pull = true,
          .image_load = true,
          .max_timeout_seconds = 0,
          .agent_required = false};
}

std::string blocking_open_directory(const std::string& wanted) {
  if (wanted == kInMemory) {
    std::string pattern = "/tmp/sockerless-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw from_errno(errno, "make a directory under /tmp");
    return pattern;
  }
  std::error_code error;
  fs::create_directories(wanted, error);
  if (error) throw Error::unavailable("cannot make the state directory {}: {}", wanted, error.message());
  return fs::canonical(wanted);
}

/// One daemon a directory. The lock ends with the process, however that ends.
UniqueFd blocking_lock(const std::string& directory) {
  UniqueFd lock = blocking_open(directory + "/lock", O_RDWR | O_CREAT, 0600);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error::conflict("the state directory {} is used by another sockerless daemon", directory);
  return lock;
}

}  // namespace

std::unique_ptr<Backend> make_local_backend(LocalOptions options) {
  const std::string directory = blocking_open_directory(options.state_directory);
  UniqueFd lock = blocking_lock(directory);
  auto store = options.state_directory == kInMemory ? make_memory_store()
                                                    : blocking_open_sqlite_store(directory + "/state.db", options.blocking_pool);
  auto images = local::ImageStore::blocking_open(directory + "/images");
  const auto networks = std::make_shared<local::HostNetworks>(directory);
  local::WorkloadOptions workloads{.state_directory = directory,
                                   .runtime = std::move(options.runtime),
                                   .monitor_path = std::move(options.monitor_path),
                                   .networks = networks,
                                   .own_socket = std::move(options.docker_socket),
                                   .directory_lock = std::move(lock)};
  auto builder = local::make_build_driver(options.blocking_pool, images, directory + "/build", workloads.runtime);
  Drivers drivers{.workloads = local::make_workload_driver(std::move(workloads), images, options.blocking_pool, options.executor),
                  .images = local::make_image_driver({.pool = options.blocking_pool,
                                                      .clock = options.clock,
                                                      .store = images,
                                                      .executor = options.executor,
                                                      .registries = {.insecure_registries = options.insecure_registries}}),
                  .networks = local::make_network_driver(networks, options.blocking_pool, options.executor),
                  .volumes = local::make_volume_driver(options.blocking_pool, directory + "/volumes"),
                  .builder = std::move(builder)};
  return make_engine({.capabilities = local_capabilities(),
                      .drivers = std::move(drivers),
                      .store = std::move(store),
                      .clock = options.clock,
                      .random = options.random,
                      .blocking_pool = options.blocking_pool,
                      .executor = std::move(options.executor)});
}

}  // namespace sockerless
