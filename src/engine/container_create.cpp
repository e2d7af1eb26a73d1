#include "engine/container_create.hpp"

#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_config.hpp"
#include "engine/container_documents.hpp"
#include "engine/container_view.hpp"
#include "engine/names.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr int kNameTries = 30;

std::string host_name_of_this_machine() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string("localhost");
}

/// The request's part that is the container's configuration.
api::ContainerConfig config_of(api::ContainerCreateRequest& request) { return std::move(static_cast<api::ContainerConfig&>(request)); }

}  // namespace

/// A container that is being made.
struct ContainerCreator::Draft {
  explicit Draft(ContainerId id) : definition(std::make_shared<ContainerDefinition>(std::move(id))) {}

  WorkloadSpec& spec() { return definition->spec; }

  std::shared_ptr<ContainerDefinition> definition;
  AcquiredImage image;
  std::map<std::string, api::EndpointSettings> endpoints;
  std::vector<std::shared_ptr<VolumeHold>> volume_holds;
  std::vector<AcquiredImage> mounted_images;
  std::vector<std::string> warnings;
};

Task<api::ContainerCreateResponse> ContainerCreator::create(CreateContainerOptions options) {
  Draft draft(ContainerId::parse(context_.random.hex64()));
  const std::string name = options.name.empty() ? std::string() : parse_container_name(options.name);
  resolve_image(draft, options);
  fill_config(draft, std::move(options));
  auto requests = collect_mounts(draft.spec().config, draft.spec().host_config,
                                 [this](const std::string& other) { return context_.containers.get(other)->definition()->spec.mounts; });
  NameReservation reservation = reserve_name(name, draft.spec().id);
  draft.spec().name = reservation.name();
  std::optional<Error> failure;
  try {
    co_await acquire_volumes(draft, std::move(requests));
    co_await insert(draft, std::move(reservation));
  } catch (...) {
    failure = current_error();
  }
  if (failure) {
    draft.volume_holds.clear();
    co_await undo(draft.definition->anonymous_volumes);
    throw Error(*failure);
  }
  api::ContainerCreateResponse response;
  response.id = draft.spec().id.str();
  response.warnings = std::move(draft.warnings);
  co_return response;
}

void ContainerCreator::resolve_image(Draft& draft, const CreateContainerOptions& options) {
  const std::string reference = options.request.image.value_or("");
  if (reference.empty()) throw Error::invalid_argument("no image specified");
  draft.image = context_.images.acquire(reference);
  check_platform(options.platform, *draft.image.facts, reference);
  draft.definition->image_name = reference;
  if (!draft.image.facts->os.empty()) draft.definition->platform = draft.image.facts->os;
}

void ContainerCreator::fill_config(Draft& draft, CreateContainerOptions options) {
  WorkloadSpec& spec = draft.spec();
  api::ContainerCreateRequest& request = options.request;
  if (request.host_config) spec.host_config = std::move(*request.host_config);
  if (request.networking_config && request.networking_config->endpoints_config)
    draft.endpoints = std::move(*request.networking_config->endpoints_config);
  spec.config = config_of(request);
  validate_container_config(spec.config);
  validate_host_config(spec.host_config);
  merge_image_config(spec.config, draft.image.facts->config);
  validate_container_config(spec.config);
  fill_host_config(spec.host_config, context_.defaults);
  if (!spec.config.labels) spec.config.labels.emplace();
  if (!spec.config.env) spec.config.env.emplace();
  spec.image_id = draft.image.facts->id;
  spec.arguments = arguments_of(spec.config);
  fill_network_mode(draft);
  for (const auto& link : spec.host_config.links.value_or(std::vector<std::string>())) {
    const std::string linked = link.substr(0, link.find(':'));
    if (!context_.containers.find(linked))
      throw Error::invalid_argument("could not get container for {}: No such container: {}", linked, linked);
  }
  draft.definition->created = context_.clock.now();
}

/// The network mode with its container resolved, and the host name that goes with it.
void ContainerCreator::fill_network_mode(Draft& draft) {
  WorkloadSpec& spec = draft.spec();
  constexpr std::string_view kContainer = "container:";
  std::string mode = *spec.host_config.network_mode;
  if (spec.config.network_disabled.value_or(false)) mode = "none";
  const bool shares = mode.starts_with(kContainer);
  if (shares) {
    if (!spec.config.hostname.value_or("").empty()) {
      throw Error::invalid_argument("conflicting options: hostname and the network mode");
    }
    if (spec.host_config.port_bindings && !spec.host_config.port_bindings->empty()) {
      throw Error::invalid_argument("conflicting options: port publishing and the container type network mode");
    }
    mode = std::string(kContainer) + context_.containers.get(mode.substr(kContainer.size()))->id().str();
  }
  spec.host_config.network_mode = mode;
  spec.network_mode = mode;
  if (!spec.config.hostname.value_or("").empty() || shares) return;
  spec.config.hostname = mode == "host" ? host_name_of_this_machine() : spec.id.short_str();
}

NameReservation ContainerCreator::reserve_name(const std::string& wanted, const ContainerId& id) {
  if (!wanted.empty()) return context_.containers.reserve_name(wanted, id);
  for (int attempt = 0; attempt < kNameTries; ++attempt) {
    try {
      return context_.containers.reserve_name(generate_container_name(context_.random, attempt), id);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::conflict) throw;
    }
  }
  return context_.containers.reserve_name(id.short_str(), id);
}

Task<void> ContainerCreator::acquire_volumes(Draft& draft, std::vector<MountRequest> requests) {
  const std::string default_driver = draft.spec().host_config.volume_driver.value_or("");
  for (auto& request : requests) {
    const bool is_new_volume = request.spec.kind == MountSpec::Kind::volume && request.spec.source.empty();
    if (is_new_volume) {
      api::VolumeCreateRequest volume;
      if (!request.anonymous) volume.name = request.spec.volume_name;
      const std::string driver = request.volume_driver.empty() ? default_driver : request.volume_driver;
      if (!driver.empty()) volume.driver = driver;
      if (!request.volume_options.empty()) volume.driver_opts = request.volume_options;
      if (!request.volume_labels.empty()) volume.labels = request.volume_labels;
      AcquiredVolume acquired = co_await context_.volumes.acquire(std::move(volume));
      request.spec.volume_name = acquired.name;
      request.spec.source = acquired.mount_point;
      request.spec.copy_from_image = acquired.created && !request.no_copy;
      draft.volume_holds.push_back(std::move(acquired.hold));
      if (request.anonymous) draft.definition->anonymous_volumes.push_back(acquired.name);
    }
    if (request.spec.kind == MountSpec::Kind::image && request.spec.source.empty()) {
      AcquiredImage image = context_.images.acquire(request.spec.volume_name);
      request.spec.source = image.facts->id;
      draft.mounted_images.push_back(std::move(image));
    }
    draft.spec().mounts.push_back(std::move(request.spec));
  }
}

/// The last steps, each undone when a later one fails: room at the driver, the documents, the table.
Task<void> ContainerCreator::insert(Draft& draft, NameReservation reservation) {
  ContainerNetworks networks = context_.networks.plan(draft.spec(), draft.endpoints);
  draft.warnings = co_await context_.workloads.prepare(draft.spec());
  draft.definition->summary = make_static_summary(*draft.definition);
  auto record = std::make_shared<ContainerRecord>(draft.spec().id, draft.definition, ContainerState());
  record->set_networks(std::move(networks));
  std::optional<Error> failure;
  try {
    // The state first: a definition is what makes it a container after a crash.
    co_await context_.containers.save_state(record);
    co_await context_.containers.save_definition(record);
  } catch (...) {
    failure = current_error();
  }
  if (failure) {
    try {
      co_await context_.workloads.remove(record->id());
      co_await context_.containers.forget(record->id());
    } catch (...) {
      log.error("a container that was not made is not removed id={} error={}", record->id().short_str(), current_error().what());
    }
    throw Error(*failure);
  }
  context_.containers.insert(record, std::move(reservation));
  lifecycle_.publish(*record, "create");
  log.info("container created id={} name={} image={}", record->id().short_str(), draft.spec().name, draft.definition->image_name);
}

Task<void> ContainerCreator::undo(std::vector<std::string> anonymous_volumes) {
  if (anonymous_volumes.empty()) co_return;
  try {
    co_await context_.volumes.remove_anonymous(std::move(anonymous_volumes));
  } catch (...) {
    log.error("anonymous volumes of a container that was not made are not removed error={}", current_error().what());
  }
}

}  // namespace sockerless
