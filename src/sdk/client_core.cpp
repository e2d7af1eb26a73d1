#include "sdk/client_core.hpp"

#include "sdk/monitor.hpp"

namespace sockerless {

namespace detail {

ClientCore::ClientCore() = default;
ClientCore::~ClientCore() = default;

}  // namespace detail

CorePointer open_core(DockerConfig config, HealthSources sources) {
  const auto core = std::make_shared<detail::ClientCore>();
  const bool is_watched = config.health_check_interval.count() > 0;
  core->link = std::make_shared<DaemonLink>(std::move(config), std::move(sources));
  core->contexts = std::make_shared<ContextPool>();
  if (is_watched) core->monitor = std::make_unique<Monitor>(core->link);
  return core;
}

}  // namespace sockerless
