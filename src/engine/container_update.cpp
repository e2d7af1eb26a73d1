#include "engine/container_update.hpp"

#include "base/error.hpp"
#include "engine/container_config.hpp"

namespace sockerless {

namespace {

/// Zero and empty mean "leave it", as in dockerd.
template <typename T>
void take_number(std::optional<T>& mine, const std::optional<T>& wanted) {
  if (wanted.value_or(T{}) != T{}) mine = wanted;
}

void merge_resources(api::Resources& mine, const api::Resources& wanted) {
  take_number(mine.blkio_weight, wanted.blkio_weight);
  take_number(mine.cpu_shares, wanted.cpu_shares);
  take_number(mine.nano_cpus, wanted.nano_cpus);
  take_number(mine.cpu_period, wanted.cpu_period);
  take_number(mine.cpu_quota, wanted.cpu_quota);
  take_number(mine.cpuset_cpus, wanted.cpuset_cpus);
  take_number(mine.cpuset_mems, wanted.cpuset_mems);
  take_number(mine.memory, wanted.memory);
  take_number(mine.memory_swap, wanted.memory_swap);
  take_number(mine.memory_reservation, wanted.memory_reservation);
  take_number(mine.cpu_realtime_period, wanted.cpu_realtime_period);
  take_number(mine.cpu_realtime_runtime, wanted.cpu_realtime_runtime);
  if (wanted.pids_limit) mine.pids_limit = wanted.pids_limit;
}

void check_conflicts(const api::Resources& mine, const api::Resources& wanted) {
  const auto set = [](const std::optional<std::int64_t>& value) { return value.value_or(0) != 0; };
  if (set(wanted.cpu_period) && set(mine.nano_cpus)) {
    throw Error::invalid_argument("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  }
  if (set(wanted.cpu_quota) && set(mine.nano_cpus)) {
    throw Error::invalid_argument("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  }
  if (set(wanted.nano_cpus) && set(mine.cpu_quota)) {
    throw Error::invalid_argument("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  }
  if (set(wanted.nano_cpus) && set(mine.cpu_period)) {
    throw Error::invalid_argument("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  }
  const std::int64_t swap = mine.memory_swap.value_or(0);
  if (set(wanted.memory) && swap > 0 && *wanted.memory > swap && !set(wanted.memory_swap)) {
    throw Error::conflict("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
  }
}

}  // namespace

void apply_update(api::HostConfig& host_config, const api::ContainerUpdateRequest& request) {
  api::HostConfig updated = host_config;
  check_conflicts(host_config, request);
  merge_resources(updated, request);
  validate_resources(updated);
  if (request.restart_policy && request.restart_policy->name && !request.restart_policy->name->str().empty()) {
    validate_restart_policy(*request.restart_policy);
    if (host_config.auto_remove.value_or(false)) {
      throw Error::conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
    updated.restart_policy = request.restart_policy;
    if (!updated.restart_policy->maximum_retry_count) updated.restart_policy->maximum_retry_count = 0;
  }
  host_config = std::move(updated);
}

}  // namespace sockerless
