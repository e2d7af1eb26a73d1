#pragma once

#include <memory>

#include "backend/backend.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

/// What an engine is made of. References outlive it.
struct EngineOptions {
  Capabilities capabilities;
  Drivers drivers;
  std::unique_ptr<StateStore> store;
  Clock& clock;
  Random& random;
  BlockingPool& blocking_pool;
  asio::any_io_executor executor;  ///< where supervisors, health checks and background work run
};

/// A Docker daemon over four drivers. start() reads the state back, meets what the drivers find and brings back what restart policies say;
/// stop() leaves the containers alone. Roles the drivers cannot serve are null: the registry without can_pull().
std::unique_ptr<Backend> make_engine(EngineOptions options);

}  // namespace sockerless
