#include "sockerless/manager.hpp"

#include "sdk/high_level.hpp"

namespace sockerless {

namespace {

/// `docker ps`'s text, which only a list has.
std::string status_text(const Client& client, const ContainerInfo& info, const CallBudget& budget) {
  Filters filters;
  filters.add("id", info.id);
  for (const api::ContainerSummary& container : value_or_throw(client.container_list({.all = true, .filters = filters}, budget.next()))) {
    if (container.id == info.id) return container.status.value_or(info.state);
  }
  return info.state;  // it was removed meanwhile
}

bool has_ended(const api::ContainerInspectResponse& container) {
  if (!container.state || !container.state->status) return false;
  const auto status = container.state->status->value();
  return status == api::ContainerStateStatus::exited || status == api::ContainerStateStatus::dead;
}

/// Why it is no use to wait on; nullopt: it is.
std::optional<std::string> hopeless(const api::ContainerInspectResponse& container, const ServiceHealth& health) {
  if (!has_ended(container)) return std::nullopt;
  const std::int64_t code = container.state->exit_code.value_or(0);
  return fmt::format("container {} has ended with exit code {}{}", health.name, code,
                     container.state->error.value_or("").empty() ? "" : ": " + *container.state->error);
}

std::string describe(const ServiceHealth& health) {
  std::string text = fmt::format("its state is {}, its health {}", health.state, health.health_status);
  if (!health.last_output.empty()) text += ", its last check said: " + health.last_output.substr(0, 500);
  return text;
}

}  // namespace

Result<DockerManager> DockerManager::open(DockerConfig config) {
  Result<Client> client = Client::open(std::move(config));
  if (!client) return std::move(client).error();
  return DockerManager(*std::move(client));
}

Result<DockerManager> DockerManager::from_environment() {
  Result<Client> client = Client::from_environment();
  if (!client) return std::move(client).error();
  return DockerManager(*std::move(client));
}

Result<ContainerInfo> DockerManager::get_container_info(std::string_view name, CallOptions options) const {
  return without_throwing([&] {
    const CallBudget budget(std::move(options));
    ContainerInfo info = info_of(value_or_throw(client_.container_inspect(name, {}, budget.next())));
    info.status = status_text(client_, info, budget);
    return info;
  });
}

Result<std::vector<ContainerInfo>> DockerManager::list_containers(const ListOptions& which, CallOptions options) const {
  return without_throwing([&] {
    std::vector<ContainerInfo> all;
    const auto listed = value_or_throw(client_.container_list({.all = which.all, .filters = which.filters}, std::move(options)));
    for (const api::ContainerSummary& container : listed) all.push_back(info_of(container));
    return all;
  });
}

Result<void> DockerManager::stop(std::string_view name, std::optional<std::chrono::seconds> grace, CallOptions options) const {
  return without_throwing([&] { std::ignore = changed(client_.container_stop(name, {.t = seconds_of(grace)}, std::move(options))); });
}

Result<void> DockerManager::restart(std::string_view name, std::optional<std::chrono::seconds> grace, CallOptions options) const {
  return client_.container_restart(name, {.t = seconds_of(grace)}, std::move(options));
}

Result<void> DockerManager::remove(std::string_view name, const RemoveOptions& how, CallOptions options) const {
  return client_.container_delete(name, {.v = how.volumes, .force = how.force}, std::move(options));
}

Result<OutputReader> DockerManager::logs(std::string_view name, const ContainerLogOptions& which, CallOptions options) const {
  const api::ContainerLogsParams params{.follow = which.follow,
                                        .stdout = which.standard_output,
                                        .stderr = which.standard_error,
                                        .since = which.since,
                                        .until = which.until,
                                        .timestamps = which.timestamps,
                                        .tail = which.tail};
  return client_.container_logs(name, params, std::move(options));
}

Result<ServiceHealth> DockerManager::health(std::string_view name, CallOptions options) const {
  return without_throwing([&] { return health_of(value_or_throw(client_.container_inspect(name, {}, std::move(options)))); });
}

Result<ServiceHealth> DockerManager::wait_for_healthy(std::string_view name, std::chrono::milliseconds timeout, CallOptions options) const {
  return without_throwing([&] {
    const auto give_up = std::chrono::steady_clock::now() + timeout;
    options.timeout = timeout;
    const CallBudget budget(options);
    // First the stream, then the look: what happens in between is not missed.
    UpdateReader updates = value_or_throw(watch({.containers = {std::string(name)}, .stop = options.stop}));
    updates.set_deadline(give_up);
    std::optional<ServiceHealth> last;
    for (;;) {
      std::optional<DockerError> error;
      Result<api::ContainerInspectResponse> container = [&] {
        try {
          return client_.container_inspect(name, {}, budget.next());
        } catch (const Failure& failure) {
          return Result<api::ContainerInspectResponse>(failure.error());
        }
      }();
      if (container) {
        last = health_of(*container);
        if (last->is_ready) return *last;
        if (const auto why = hopeless(*container, *last)) throw Failure({.type = DockerErrorType::conflict, .message = *why});
      } else {
        error = container.error();
      }
      // A daemon that is away may come back in time; the updates wait for it.
      if (!error || (error->recoverable && error->type != DockerErrorType::timeout)) {
        const Result<std::optional<ContainerUpdate>> update = updates.next();
        if (update) continue;
        error = update.error();
      }
      if (error->type == DockerErrorType::timeout) {
        error->message = fmt::format("container {} was not ready within {} ms: {}", name, timeout.count(),
                                     last ? describe(*last) : "the daemon did not answer: " + error->message);
      }
      throw Failure(*std::move(error));
    }
  });
}

}  // namespace sockerless
