#include "engine/container_service.hpp"

#include <csignal>
#include <utility>

#include "api/signal.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/attach_session.hpp"
#include "engine/container_documents.hpp"
#include "engine/container_filters.hpp"
#include "engine/container_update.hpp"
#include "engine/container_view.hpp"
#include "engine/container_wait.hpp"
#include "engine/log_stream.hpp"
#include "engine/names.hpp"
#include "engine/until_filter.hpp"

namespace sockerless {

namespace {

Logger log("engine");

std::optional<int> signal_of(const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  return api::parse_signal(*text);
}

std::optional<std::chrono::seconds> timeout_of(const std::optional<std::int64_t>& seconds) {
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

Error with_prefix(std::string_view prefix, const Error& error) {
  return Error(error.code(), fmt::format("{}: {}", prefix, error.message()), error.detail());
}

}  // namespace

Task<api::ContainerCreateResponse> ContainerService::create(CreateContainerOptions options) {
  co_return co_await run_to_its_end(context_, "create", creator_.create(std::move(options)));
}

Task<std::vector<api::ContainerSummary>> ContainerService::list(ListContainersOptions options) {
  ContainerFilter filter(context_, std::move(options.filters));
  const TimePoint now = context_.clock.now();
  const std::size_t limit = options.limit && *options.limit > 0 ? static_cast<std::size_t>(*options.limit) : SIZE_MAX;
  const bool all = options.all || filter.wants_all() || limit != SIZE_MAX;
  std::vector<api::ContainerSummary> result;
  std::vector<ContainerPtr> listed;
  for (const auto& record : filter.candidates()) {
    if (result.size() == limit) break;
    const ContainerSnapshot snapshot = record->snapshot();
    if ((!all && !snapshot.state->is_running()) || !filter.matches(*record, snapshot)) continue;
    result.push_back(make_summary(snapshot, now));
    if (!context_.images.still_names(result.back().image.value_or(""), snapshot.definition->spec.image_id)) {
      result.back().image = snapshot.definition->spec.image_id;
    }
    if (options.size == WithSize::yes) listed.push_back(record);
  }
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const std::int64_t own = co_await writable_size(listed[i]->id());
    if (own > 0) result[i].size_rw = own;  // dockerd leaves the zero out
    result[i].size_root_fs = own + image_size(*listed[i]->definition());
  }
  co_return result;
}

Task<api::ContainerInspectResponse> ContainerService::inspect(ContainerRef container, WithSize size) {
  const auto record = get(container);
  const InspectExtras extras{context_.storage_driver, record->exec_ids.read([](const std::vector<std::string>& ids) { return ids; }),
                             co_await context_.workloads.paths(record->id(), record->definition()->spec.image_id)};
  auto result = make_inspect(record->snapshot(), extras);
  if (size == WithSize::yes) {
    const std::int64_t own = co_await writable_size(record->id());
    result.size_rw = own;
    result.size_root_fs = own + image_size(*record->definition());
  }
  co_return result;
}

Task<std::int64_t> ContainerService::writable_size(ContainerId id) {
  try {
    co_return co_await context_.workloads.writable_size(std::move(id));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found && error.code() != ErrorCode::not_implemented) throw;
  }
  co_return 0;  // it went meanwhile, or has no layer of its own
}

std::int64_t ContainerService::image_size(const ContainerDefinition& definition) const {
  const auto image = context_.images.find(definition.spec.image_id);
  return image ? image->size : 0;
}

Task<void> ContainerService::start(ContainerRef container) {
  const auto record = get(container);
  record->state()->check_can_start(record->id().str());
  co_await run_to_its_end(context_, "start", lifecycle_.start(record));
}

Task<void> ContainerService::stop(ContainerRef container, StopOptions options) {
  const auto record = get(container);
  const auto signal = signal_of(options.signal);
  if (!record->state()->is_running()) throw Error::not_modified("container {} is already stopped", record->id().str());
  co_await run_to_its_end(context_, "stop", lifecycle_.stop(record, signal, timeout_of(options.timeout_seconds)));
}

Task<void> ContainerService::restart(ContainerRef container, StopOptions options) {
  const auto record = get(container);
  co_await run_to_its_end(context_, "restart", lifecycle_.restart(record, signal_of(options.signal), timeout_of(options.timeout_seconds)));
}

Task<void> ContainerService::kill(ContainerRef container, std::string signal) {
  const int number = signal.empty() ? SIGKILL : api::parse_signal(signal);
  std::optional<Error> failure;
  try {
    const auto record = get(container);
    co_await run_to_its_end(context_, "kill", lifecycle_.kill(record, number));
  } catch (const Error& error) {
    failure = with_prefix("Cannot kill container: " + container.text, error);
  }
  if (failure) throw Error(*failure);
}

Task<void> ContainerService::pause(ContainerRef container) { co_await run_to_its_end(context_, "pause", lifecycle_.pause(get(container))); }

Task<void> ContainerService::unpause(ContainerRef container) {
  co_await run_to_its_end(context_, "unpause", lifecycle_.unpause(get(container)));
}

Task<void> ContainerService::rename(ContainerRef container, std::string new_name) {
  if (container.text.empty() || new_name.empty()) throw Error::invalid_argument("Neither old nor new names may be empty");
  co_await run_to_its_end(context_, "rename", rename_record(get(container), std::move(new_name)));
}

Task<void> ContainerService::rename_record(ContainerPtr record, std::string new_name) {
  const auto guard = co_await record->operations.acquire();
  const auto definition = record->definition();
  const std::string name = parse_container_name(new_name);
  if (name == definition->spec.name) {
    throw Error::invalid_argument("Renaming a container with the same name as its current name");
  }
  if (record->is_removed() || record->state()->status() == ContainerStatus::removing) {
    throw Error::conflict("Container {} is marked for removal and cannot be renamed", record->id().str());
  }
  std::optional<NameReservation> reservation;
  try {
    reservation.emplace(context_.containers.reserve_name(name, record->id()));
  } catch (const Error& error) {
    throw with_prefix("Error when allocating new name", error);
  }
  ContainerDefinition renamed = *definition;
  renamed.spec.name = name;
  co_await context_.store.put(StateKind::container, record->id().str(), definition_to_json(renamed));
  context_.containers.rename(record, std::move(*reservation));
  lifecycle_.publish(*record, "rename", {{"oldName", "/" + definition->spec.name}});
}

Task<api::ContainerUpdateResponse> ContainerService::update(ContainerRef container, api::ContainerUpdateRequest request) {
  co_await run_to_its_end(context_, "update", update_record(get(container), std::move(request)));
  api::ContainerUpdateResponse response;
  response.warnings.emplace();
  co_return response;
}

Task<void> ContainerService::update_record(ContainerPtr record, api::ContainerUpdateRequest request) {
  const auto guard = co_await record->operations.acquire();
  const auto status = record->state()->status();
  if (record->is_removed() || status == ContainerStatus::removing || status == ContainerStatus::dead) {
    throw Error::conflict("Cannot update container {}: container is marked for removal and cannot be \"update\"", record->id().str());
  }
  auto updated = std::make_shared<ContainerDefinition>(*record->definition());
  apply_update(updated->spec.host_config, request);
  co_await context_.workloads.update(updated->spec);
  co_await context_.store.put(StateKind::container, record->id().str(), definition_to_json(*updated));
  record->set_definition(std::move(updated));
  lifecycle_.publish(*record, "update");
}

Task<std::unique_ptr<ContainerWait>> ContainerService::wait(ContainerRef container, WaitCondition condition) {
  co_return make_container_wait(get(container), condition);
}

Task<void> ContainerService::remove(ContainerRef container, RemoveContainerOptions options) {
  if (options.link) throw Error::not_implemented("links between containers are not supported: there is none to remove");
  co_await run_to_its_end(context_, "remove", lifecycle_.remove(get(container), options.force, options.volumes));
}

Task<api::ContainerPruneResponse> ContainerService::prune(api::Filters filters) {
  filters.validate({"label", "label!", "until"});
  co_return co_await run_to_its_end(context_, "prune", prune_stopped(std::move(filters)));
}

Task<api::ContainerPruneResponse> ContainerService::prune_stopped(api::Filters filters) {
  const auto until = find_until(filters, context_.clock.now());
  api::ContainerPruneResponse response;
  response.space_reclaimed = 0;
  std::vector<std::string> deleted;
  for (const auto& record : context_.containers.all()) {
    const auto now = record->snapshot();
    if (now.state->is_running() || (until && now.definition->created > *until)) continue;
    static const std::map<std::string, std::string> kNoLabels;
    if (!filters.match_labels(now.definition->spec.config.labels ? *now.definition->spec.config.labels : kNoLabels)) continue;
    try {
      const std::int64_t size = co_await writable_size(record->id());
      co_await lifecycle_.remove(record, Force::no, RemoveVolumes::no);
      deleted.push_back(record->id().str());
      *response.space_reclaimed += size;
    } catch (const Error& error) {
      log.warn("container not pruned id={} error={}", record->id().short_str(), error.what());
    }
  }
  if (!deleted.empty()) response.containers_deleted = std::move(deleted);
  context_.events.publish("container", "prune", "", {{"reclaimed", std::to_string(*response.space_reclaimed)}});
  co_return response;
}

Task<OutputStream> ContainerService::logs(ContainerRef container, LogOptions options) {
  auto record = get(container);
  const auto& log_config = record->definition()->spec.host_config.log_config;
  if (log_config && log_config->type == api::HostConfigLogConfigType(api::HostConfigLogConfigType::none)) {
    throw Error::not_implemented("configured logging driver does not support reading");
  }
  co_return co_await open_log_stream(context_.workloads, std::move(record), options);
}

Task<std::unique_ptr<AttachSession>> ContainerService::attach(ContainerRef container, AttachOptions options) {
  auto record = get(container);
  co_return co_await open_attach_session(context_.workloads, context_.events, std::move(record), std::move(container.text),
                                         std::move(options));
}

ContainerPtr ContainerService::get_running(const ContainerRef& container) const {
  auto record = get(container);
  const auto state = record->state();
  if (!state->is_running()) throw Error::conflict("container {} is not running", record->id().str());
  if (state->is_restarting()) {
    throw Error::conflict("container {} is restarting, wait until the container is running", record->id().str());
  }
  return record;
}

Task<void> ContainerService::resize(ContainerRef container, TerminalSize size) {
  const auto record = get_running(container);
  co_await context_.workloads.resize(record->id(), size);
  lifecycle_.publish(*record, "resize", {{"height", std::to_string(size.height)}, {"width", std::to_string(size.width)}});
}

Task<api::ContainerTopResponse> ContainerService::top(ContainerRef container, std::string ps_args) {
  const auto record = get_running(container);
  auto response = co_await context_.workloads.top(record->id(), ps_args.empty() ? "-ef" : std::move(ps_args));
  lifecycle_.publish(*record, "top");
  co_return response;
}

}  // namespace sockerless
