#include "engine/container_table.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/container_documents.hpp"

namespace sockerless {

namespace {

Logger log("engine");

/// Every key under which a container's labels are found.
template <typename Use>
void for_label_keys(const ContainerRecord& record, Use use) {
  const auto definition = record.definition();
  const auto& labels = definition->spec.config.labels;
  if (!labels) return;
  for (const auto& [key, value] : *labels) {
    use(key);
    use(fmt::format("{}={}", key, value));
  }
}

template <typename Predicate>
std::vector<ContainerPtr> newest_first(const std::map<std::uint64_t, ContainerPtr>& by_age, Predicate predicate) {
  std::vector<ContainerPtr> found;
  for (auto it = by_age.rbegin(); it != by_age.rend(); ++it) {
    if (predicate(*it->second)) found.push_back(it->second);
  }
  return found;
}

}  // namespace

ContainerTable::ContainerTable(StateStore& store) : store_(store) {}

ContainerPtr ContainerTable::lookup(const Rows& rows, std::string_view reference, bool& ambiguous) {
  if (reference.empty()) return nullptr;
  if (const auto it = rows.by_id.find(reference); it != rows.by_id.end()) return it->second;
  const std::string_view name = reference.starts_with('/') ? reference.substr(1) : reference;
  if (const auto it = rows.id_of_name.find(name); it != rows.id_of_name.end()) {
    const auto found = rows.by_id.find(it->second);
    if (found != rows.by_id.end()) return found->second;
  }
  const auto first = rows.by_id.lower_bound(reference);
  if (first == rows.by_id.end() || !first->first.starts_with(reference)) return nullptr;
  const auto second = std::next(first);
  ambiguous = second != rows.by_id.end() && second->first.starts_with(reference);
  return ambiguous ? nullptr : first->second;
}

ContainerPtr ContainerTable::get(std::string_view reference) const {
  bool ambiguous = false;
  auto record = rows_.read([&](const Rows& rows) { return lookup(rows, reference, ambiguous); });
  if (ambiguous) throw Error::invalid_argument("multiple IDs found with provided prefix: {}", reference);
  if (!record) throw Error::not_found("No such container: {}", reference);
  return record;
}

ContainerPtr ContainerTable::find(std::string_view reference) const {
  bool ambiguous = false;
  return rows_.read([&](const Rows& rows) { return lookup(rows, reference, ambiguous); });
}

std::vector<ContainerPtr> ContainerTable::all() const {
  return rows_.read([](const Rows& rows) { return newest_first(rows.by_age, [](const ContainerRecord&) { return true; }); });
}

std::vector<ContainerPtr> ContainerTable::with_labels(const std::vector<std::string>& labels) const {
  if (labels.empty()) return all();
  return rows_.read([&](const Rows& rows) {
    std::vector<const std::map<std::uint64_t, ContainerPtr>*> sets;
    for (const auto& label : labels) {
      const auto it = rows.by_label.find(label);
      if (it == rows.by_label.end()) return std::vector<ContainerPtr>();
      sets.push_back(&it->second);
    }
    std::ranges::sort(sets, {}, [](const auto* set) { return set->size(); });
    std::vector<ContainerPtr> found;
    for (auto it = sets.front()->rbegin(); it != sets.front()->rend(); ++it) {
      if (std::ranges::all_of(sets, [&](const auto* set) { return set->contains(it->first); })) found.push_back(it->second);
    }
    return found;
  });
}

std::vector<ContainerPtr> ContainerTable::using_image(std::string_view image_id) const {
  return rows_.read([&](const Rows& rows) {
    return newest_first(rows.by_age, [&](const ContainerRecord& record) { return record.definition()->spec.image_id == image_id; });
  });
}

std::vector<ContainerPtr> ContainerTable::using_volume(std::string_view volume_name) const {
  return rows_.read([&](const Rows& rows) {
    return newest_first(rows.by_age, [&](const ContainerRecord& record) {
      const auto definition = record.definition();
      return std::ranges::any_of(definition->spec.mounts, [&](const MountSpec& mount) {
        return mount.kind == MountSpec::Kind::volume && mount.volume_name == volume_name;
      });
    });
  });
}

std::vector<ContainerPtr> ContainerTable::on_network(std::string_view network_id) const {
  return rows_.read([&](const Rows& rows) {
    return newest_first(rows.by_age, [&](const ContainerRecord& record) {
      const auto networks = record.networks();
      return std::ranges::any_of(networks->endpoints, [&](const auto& entry) { return entry.second.network_id == network_id; });
    });
  });
}

std::size_t ContainerTable::size() const {
  return rows_.read([](const Rows& rows) { return rows.by_id.size(); });
}

NameReservation ContainerTable::reserve_name(std::string name, const ContainerId& id) {
  rows_.write([&](Rows& rows) {
    const auto [it, inserted] = rows.id_of_name.try_emplace(name, id.str());
    if (inserted) return;
    throw Error::conflict(
        "Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to remove (or rename) that container to be "
        "able to "
        "reuse that name.",
        name, it->second);
  });
  return {*this, std::move(name), id.str()};
}

void ContainerTable::release_name(const std::string& name, const std::string& id) {
  rows_.write([&](Rows& rows) {
    const auto it = rows.id_of_name.find(name);
    if (it != rows.id_of_name.end() && it->second == id) rows.id_of_name.erase(it);
  });
}

void ContainerTable::insert(const ContainerPtr& record, NameReservation reservation) {
  rows_.write([&](Rows& rows) {
    const std::uint64_t sequence = rows.next_sequence++;
    rows.by_id.emplace(record->id().str(), record);
    rows.by_age.emplace(sequence, record);
    rows.sequence_of.emplace(record->id().str(), sequence);
    for_label_keys(*record, [&](const std::string& key) { rows.by_label[key].emplace(sequence, record); });
  });
  reservation.table_ = nullptr;  // the name is the record's now
}

void ContainerTable::rename(const ContainerPtr& record, NameReservation reservation) {
  auto definition = std::make_shared<ContainerDefinition>(*record->definition());
  const std::string old_name = std::exchange(definition->spec.name, reservation.name());
  definition->summary.names = std::vector<std::string>{"/" + reservation.name()};
  record->set_definition(std::move(definition));
  reservation.table_ = nullptr;
  release_name(old_name, record->id().str());
}

void ContainerTable::erase(const ContainerPtr& record) {
  const auto name = record->definition()->spec.name;
  rows_.write([&](Rows& rows) {
    const auto& id = record->id().str();
    const auto it = rows.sequence_of.find(id);
    if (it == rows.sequence_of.end()) return;
    const std::uint64_t sequence = it->second;
    for_label_keys(*record, [&](const std::string& key) {
      const auto entry = rows.by_label.find(key);
      if (entry == rows.by_label.end()) return;
      entry->second.erase(sequence);
      if (entry->second.empty()) rows.by_label.erase(entry);
    });
    rows.by_age.erase(sequence);
    rows.by_id.erase(id);
    rows.sequence_of.erase(it);
  });
  release_name(name, record->id().str());
}

Task<void> ContainerTable::save_definition(ContainerPtr record) {
  co_await store_.put(StateKind::container, record->id().str(), definition_to_json(*record->definition()));
}

Task<void> ContainerTable::save_state(ContainerPtr record) {
  const auto now = record->snapshot();
  co_await store_.put(StateKind::container_state, record->id().str(), state_to_json(*now.state, *now.networks));
}

Task<void> ContainerTable::forget(ContainerId id) {
  // In this order: a state without a definition is nothing, and goes with the next start.
  co_await store_.erase(StateKind::container, id.str());
  co_await store_.erase(StateKind::container_state, id.str());
}

Task<void> ContainerTable::load() {
  std::map<std::string, std::string> states;
  for (auto& [id, json] : co_await store_.load_all(StateKind::container_state)) states.emplace(std::move(id), std::move(json));
  std::vector<ContainerPtr> records;
  for (const auto& [id, json] : co_await store_.load_all(StateKind::container)) {
    try {
      const auto state = states.find(id);
      records.push_back(record_from_json(json, state == states.end() ? std::string_view() : state->second));
    } catch (const std::exception&) {
      log.error("container left out: its stored state is damaged id={} error={}", id, current_error().what());
    }
  }
  std::ranges::sort(records, {}, [](const ContainerPtr& record) { return record->definition()->created; });
  for (const auto& record : records) {
    try {
      insert(record, reserve_name(record->definition()->spec.name, record->id()));
    } catch (const Error& error) {
      log.error("container left out id={} error={}", record->id().str(), error.what());
    }
  }
}

}  // namespace sockerless
