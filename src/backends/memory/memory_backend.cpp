#include "backends/memory/memory_backend.hpp"

#include <utility>

#include "backends/memory/images.hpp"
#include "backends/memory/networks.hpp"
#include "backends/memory/volumes.hpp"
#include "backends/memory/workloads.hpp"
#include "engine/engine.hpp"

namespace sockerless {

namespace {

Capabilities memory_capabilities() {
  return {.backend = "memory",
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

}  // namespace

std::unique_ptr<Backend> make_memory_backend(MemoryOptions options) {
  Drivers drivers{.workloads = memory::make_workload_driver(options.executor, options.clock),
                  .images = memory::make_image_driver(options.blocking_pool, options.clock, std::move(options.spool_directory)),
                  .networks = memory::make_network_driver(),
                  .volumes = memory::make_volume_driver()};
  return make_engine({.capabilities = memory_capabilities(),
                      .drivers = std::move(drivers),
                      .store = make_memory_store(),
                      .clock = options.clock,
                      .random = options.random,
                      .blocking_pool = options.blocking_pool,
                      .executor = std::move(options.executor)});
}

}  // namespace sockerless
