#include "engine/volume_service.hpp"

#include <algorithm>

#include "api/json.hpp"
#include "api/names.hpp"
#include "api/types_json.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/until_filter.hpp"

namespace sockerless {

namespace {

Logger log("engine");

constexpr const char* kAnonymousLabel = "com.docker.volume.anonymous";

const std::map<std::string, std::string>& labels_of(const api::Volume& volume) {
  static const std::map<std::string, std::string> kNone;
  return volume.labels ? *volume.labels : kNone;
}

Error no_such_volume(std::string_view name) { return Error::not_found("get {}: no such volume", name); }

void check_name(const std::string& name) {
  try {
    api::check_volume_name(name);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("create {}: {}", name, error.message()));
  }
}

std::string joined(const std::vector<std::string>& ids) {
  std::string text;
  for (const auto& id : ids) text += (text.empty() ? "" : ", ") + id;
  return text;
}

}  // namespace

VolumeService::VolumeService(VolumeDriver& driver, StateStore& store, EventBus& events, const ContainerTable& containers, Clock& clock,
                             Random& random)
    : driver_(driver), store_(store), events_(events), containers_(containers), clock_(clock), random_(random) {}

Task<void> VolumeService::restore() {
  Table table;
  for (const auto& [name, document] : co_await store_.load_all(StateKind::volume)) {
    try {
      table[name].volume = api::parse_json<api::Volume>(document);
    } catch (const Error& error) {
      log.warn("a volume cannot be read name={} error={}", name, error.what());
    }
  }
  volumes_.write([&](Table& volumes) { volumes = std::move(table); });
}

std::vector<std::string> VolumeService::users_of(std::string_view name) const {
  std::vector<std::string> ids;
  for (const auto& container : containers_.using_volume(name)) ids.push_back(container->id().str());
  return ids;
}

void VolumeService::release(const std::string& name) {
  volumes_.write([&](Table& table) {
    if (const auto it = table.find(name); it != table.end()) --it->second.holds;
  });
}

void VolumeService::publish(std::string action, const std::string& name, EventAttributes attributes) {
  events_.publish("volume", std::move(action), name, std::move(attributes));
}

// ---- list, inspect

Task<api::VolumeListResponse> VolumeService::list(api::Filters filters) {
  filters.validate({"dangling", "name", "driver", "label", "label!"});
  auto names = filters.name_matcher("name");
  const bool asks_dangling = filters.contains("dangling");
  const bool want_dangling = filters.boolean_or("dangling", false);
  api::VolumeListResponse response;
  auto& volumes = response.volumes.emplace();
  volumes_.read([&](const Table& table) {
    for (const auto& [name, entry] : table) {
      if (!names.matches(name) || !filters.exact_match("driver", entry.volume.driver) || !filters.match_labels(labels_of(entry.volume)))
        continue;
      if (asks_dangling && want_dangling != (entry.holds == 0 && users_of(name).empty())) continue;
      volumes.push_back(entry.volume);
    }
  });
  co_return response;
}

Task<api::Volume> VolumeService::inspect(VolumeRef volume) {
  co_return volumes_.read([&](const Table& table) {
    const auto it = table.find(volume.text);
    if (it == table.end()) throw no_such_volume(volume.text);
    return it->second.volume;
  });
}

Task<std::vector<api::Volume>> VolumeService::usage() {
  std::vector<api::Volume> volumes;
  volumes_.read([&](const Table& table) {
    for (const auto& [name, entry] : table) volumes.push_back(entry.volume);
  });
  for (auto& volume : volumes) {
    auto& usage = volume.usage_data.emplace();
    usage.size = co_await driver_.size(volume.name);
    usage.ref_count = static_cast<std::int64_t>(users_of(volume.name).size());
  }
  co_return volumes;
}

// ---- create

Task<api::Volume> VolumeService::create(api::VolumeCreateRequest request) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  co_return (co_await find_or_create(std::move(request))).first;
}

Task<AcquiredVolume> VolumeService::acquire(api::VolumeCreateRequest request) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  auto [volume, created] = co_await find_or_create(std::move(request));
  volumes_.write([&](Table& table) { ++table.find(volume.name)->second.holds; });
  auto hold = std::make_shared<VolumeHold>(*this, volume.name);
  co_return AcquiredVolume{volume.name, volume.mountpoint, created, std::move(hold)};
}

/// The volume and whether it is new. The caller holds changes_.
Task<std::pair<api::Volume, bool>> VolumeService::find_or_create(api::VolumeCreateRequest request) {
  const std::string driver = request.driver.value_or("").empty() ? "local" : *request.driver;
  const bool anonymous = request.name.value_or("").empty();
  const std::string name = anonymous ? random_.hex64() : *request.name;
  if (!anonymous) check_name(name);
  if (request.cluster_volume_spec) throw Error::not_implemented("cluster volumes belong to swarm mode, which is not implemented");
  if (driver != "local") {
    throw Error::not_found("error looking up volume plugin {}: plugin \"{}\" not found", driver, driver);
  }
  const auto known = volumes_.read([&](const Table& table) {
    const auto it = table.find(name);
    return it == table.end() ? std::optional<api::Volume>() : it->second.volume;
  });
  if (known) co_return std::pair(*known, false);

  api::Volume volume;
  volume.name = name;
  volume.driver = driver;
  volume.scope = api::VolumeScope(std::string_view("local"));
  volume.created_at = format_rfc3339(TimePoint(std::chrono::floor<std::chrono::seconds>(clock_.now())));
  volume.labels = std::move(request.labels);
  if (anonymous) (volume.labels ? *volume.labels : volume.labels.emplace())[kAnonymousLabel] = "";
  volume.options = std::move(request.driver_opts);
  volume.unknown = std::move(request.unknown);
  volume.mountpoint = co_await driver_.create(name, volume.options.value_or(std::map<std::string, std::string>()));
  std::exception_ptr failure;
  try {
    co_await store_.put(StateKind::volume, name, api::to_json(volume));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await driver_.remove(name);
    std::rethrow_exception(failure);
  }
  volumes_.write([&](Table& table) { table[name].volume = volume; });
  publish("create", name, {{"driver", driver}});
  co_return std::pair(std::move(volume), true);
}

// ---- remove

Task<void> VolumeService::remove(VolumeRef volume, Force force) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  const bool known = volumes_.read([&](const Table& table) { return table.contains(volume.text); });
  if (!known && force == Force::yes) co_return;
  co_await remove_entry(volume.text);
}

/// The caller holds changes_.
Task<void> VolumeService::remove_entry(std::string name) {
  // Checked and taken out in one step, so that no container gets it in between.
  Entry entry = volumes_.write([&](Table& table) {
    const auto it = table.find(name);
    if (it == table.end()) throw no_such_volume(name);
    const auto users = users_of(name);
    if (!users.empty() || it->second.holds > 0) throw Error::conflict("remove {}: volume is in use - [{}]", name, joined(users));
    return std::move(table.extract(it).mapped());
  });
  std::exception_ptr failure;
  try {
    co_await driver_.remove(name);
    co_await store_.erase(StateKind::volume, name);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    volumes_.write([&](Table& table) { table.emplace(name, std::move(entry)); });
    std::rethrow_exception(failure);
  }
  publish("destroy", name, {{"driver", entry.volume.driver}});
}

Task<void> VolumeService::remove_anonymous(std::vector<std::string> names) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  for (const auto& name : names) {
    try {
      co_await remove_entry(name);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      // In use elsewhere or gone already: both are fine.
      if (error.code() != ErrorCode::conflict && error.code() != ErrorCode::not_found) {
        log.warn("an anonymous volume could not be removed name={} error={}", name, error.what());
      }
    }
  }
}

Task<api::VolumePruneResponse> VolumeService::prune(api::Filters filters) {
  filters.validate({"label", "label!", "all"});
  const bool all = filters.boolean_or("all", false);
  const OperationLock::Guard turn = co_await changes_.acquire();
  const auto unused = volumes_.read([&](const Table& table) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : table) {
      if (!all && !labels_of(entry.volume).contains(kAnonymousLabel)) continue;
      if (filters.match_labels(labels_of(entry.volume)) && entry.holds == 0 && users_of(name).empty()) names.push_back(name);
    }
    return names;
  });
  api::VolumePruneResponse response;
  std::int64_t reclaimed = 0;
  for (const auto& name : unused) {
    try {
      const std::int64_t size = co_await driver_.size(name);
      co_await remove_entry(name);
      reclaimed += std::max<std::int64_t>(size, 0);
      (response.volumes_deleted ? *response.volumes_deleted : response.volumes_deleted.emplace()).push_back(name);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      log.warn("a volume could not be pruned name={} error={}", name, error.what());
    }
  }
  response.space_reclaimed = reclaimed;
  publish("prune", "", {{"reclaimed", std::to_string(reclaimed)}});
  co_return response;
}

// ---- events of containers

void VolumeService::publish_mounts(const WorkloadSpec& spec) {
  for (const auto& mount : spec.mounts) {
    if (mount.kind != MountSpec::Kind::volume) continue;
    publish("mount", mount.volume_name,
            {{"driver", "local"},
             {"container", spec.id.str()},
             {"destination", mount.destination},
             {"read/write", mount.read_only ? "false" : "true"},
             {"propagation", mount.propagation}});
  }
}

void VolumeService::publish_unmounts(const WorkloadSpec& spec) {
  for (const auto& mount : spec.mounts) {
    if (mount.kind == MountSpec::Kind::volume) publish("unmount", mount.volume_name, {{"driver", "local"}, {"container", spec.id.str()}});
  }
}

}  // namespace sockerless
