#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/strand.hpp>

#include "base/random.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_config.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"
#include "engine/exec_service.hpp"
#include "engine/image_service.hpp"
#include "engine/network_service.hpp"
#include "engine/state_store.hpp"
#include "engine/volume_service.hpp"

namespace sockerless {

/// What the container services share. All of it lives as long as the engine.
struct EngineContext {
  WorkloadDriver& workloads;
  StateStore& store;
  Clock& clock;
  Random& random;
  asio::any_io_executor executor;  ///< where background work runs, each on a strand of its own
  ContainerTable& containers;
  EventBus& events;
  ImageService& images;
  VolumeService& volumes;
  NetworkService& networks;
  ExecService& execs;
  TaskGroup& tasks;  ///< supervisors and whatever a client may walk away from
  HostDefaults defaults;
  std::string storage_driver;
};

/// Waits until `holds(record)` is true; looked at again after every change of the record. Cancellation: terminal, total.
template <typename Condition>
Task<void> wait_until(ContainerPtr record, Condition holds) {
  for (;;) {
    const std::uint64_t seen = record->changed().version();
    if (holds(*record)) co_return;
    co_await record->changed().wait_changed(seen);
  }
}

namespace detail {

template <typename T>
struct Detached {
  Signal done;
  std::optional<T> value;
  std::exception_ptr failure;
};

template <typename T>
Task<void> run_detached(std::shared_ptr<Detached<T>> outcome, Task<T> work) {
  try {
    outcome->value.emplace(co_await std::move(work));
  } catch (...) {
    outcome->failure = std::current_exception();
  }
  outcome->done.notify();
}

}  // namespace detail

/// Runs `work` as a task of the engine's and waits for it: a client that goes away meanwhile does not stop it half-way.
/// Cancellation: terminal and total end the waiting only.
template <typename T>
Task<T> run_to_its_end(EngineContext& context, const char* name, Task<T> work) {
  auto outcome = std::make_shared<detail::Detached<T>>();
  const std::uint64_t seen = outcome->done.version();
  context.tasks.spawn(name, asio::make_strand(context.executor), detail::run_detached(outcome, std::move(work)));
  co_await outcome->done.wait_changed(seen);
  if (outcome->failure) std::rethrow_exception(outcome->failure);
  co_return std::move(*outcome->value);
}

/// The same for work without a result.
Task<void> run_to_its_end(EngineContext& context, const char* name, Task<void> work);

}  // namespace sockerless
