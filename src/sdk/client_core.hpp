#pragma once

#include <memory>

#include "sdk/daemon_link.hpp"
#include "sdk/runner.hpp"

// Internal to sdk/.
namespace sockerless {

class Monitor;

namespace detail {

/// What Client and AsyncClient stand on.
struct ClientCore {
  std::shared_ptr<DaemonLink> link;       // shared with the streams
  std::shared_ptr<ContextPool> contexts;  // shared with the blocking streams
  std::unique_ptr<Monitor> monitor;       // null: none was asked for

  ClientCore();
  ~ClientCore();
  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;
};

}  // namespace detail

using CorePointer = std::shared_ptr<detail::ClientCore>;

/// @errors as exceptions: the configuration cannot be used.
CorePointer open_core(DockerConfig config, HealthSources sources = {});

}  // namespace sockerless
