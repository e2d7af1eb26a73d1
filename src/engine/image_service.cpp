#include "engine/image_service.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless {

namespace {

Logger log("engine");

}  // namespace

ImageService::ImageService(ImageDriver& driver, StateStore& store, EventBus& events, ContainerTable& containers, Clock& clock)
    : driver_(driver), store_(store), events_(events), containers_(containers), clock_(clock), tasks_(std::make_shared<TaskGroup>()) {}

ImageService::~ImageService() = default;

Task<void> ImageService::restore() {
  auto known = co_await driver_.restore();
  Table table;
  for (auto& facts : known) table.add(std::make_shared<const ImageFacts>(std::move(facts)));
  std::vector<std::string> lost;
  std::vector<std::pair<std::string, ImageEntry>> named;
  for (const auto& [id, document] : co_await store_.load_all(StateKind::image)) {
    if (table.find(id) == nullptr) {
      lost.push_back(id);
      continue;
    }
    try {
      ImageEntry names;
      names.read_names(document);
      named.emplace_back(id, std::move(names));
    } catch (const std::exception& error) {
      log.warn("the names of an image cannot be read id={} error={}", id, error.what());
    }
  }
  // A name that was being moved when the process died is in two documents: the later one counts.
  std::ranges::sort(named, {}, [](const auto& item) { return std::pair(item.second.last_tagged, item.first); });
  for (const auto& [id, names] : named) {
    for (const auto& tag : names.tags) table.assign(id, tag, names.last_tagged);
    for (const auto& digest : names.digests) table.assign(id, digest, names.last_tagged);
    table.find(id)->last_tagged = names.last_tagged;
  }
  for (const auto& id : lost) {
    log.warn("the content of an image is gone, its names are dropped id={}", id);
    co_await store_.erase(StateKind::image, id);
  }
  images_.write([&](Table& images) { images = std::move(table); });
}

Task<void> ImageService::stop() { co_await tasks_->stop(std::chrono::seconds(1)); }

// ---- for containers

AcquiredImage ImageService::acquire(std::string_view reference) {
  AcquiredImage acquired;
  std::string id = images_.write([&](Table& table) {
    ImageEntry& entry = *table.find(table.require(reference).id);
    acquired.facts = entry.facts;
    ++entry.holds;
    return entry.facts->id;
  });
  acquired.hold = std::make_shared<ImageHold>(*this, std::move(id));
  return acquired;
}

void ImageService::release(const std::string& id) {
  images_.write([&](Table& table) {
    if (ImageEntry* entry = table.find(id)) --entry->holds;
  });
}

std::shared_ptr<const ImageFacts> ImageService::get(std::string_view reference) const {
  return images_.read([&](const Table& table) { return table.find(table.require(reference).id)->facts; });
}

bool ImageService::still_names(std::string_view reference, std::string_view id) const {
  return images_.read([&](const Table& table) {
    const auto found = table.match(reference);
    return found && found->id == id;
  });
}

std::shared_ptr<const ImageFacts> ImageService::find(std::string_view reference) const {
  if (!api::ImageReference::find(reference) && !reference.starts_with("sha256:") && !is_hex64(reference)) return nullptr;
  return images_.read([&](const Table& table) -> std::shared_ptr<const ImageFacts> {
    const auto found = table.match(reference);
    return found ? table.find(found->id)->facts : nullptr;
  });
}

std::set<std::string> ImageService::with_descendants(std::string_view reference) const {
  std::set<std::string> ids;
  const auto image = find(reference);
  if (!image) return ids;
  ids.insert(image->id);
  images_.read([&](const Table& table) {
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [id, entry] : table.entries()) {
        if (ids.contains(entry.facts->parent) && ids.insert(id).second) grown = true;
      }
    }
  });
  return ids;
}

std::size_t ImageService::size() const {
  return images_.read([](const Table& table) { return table.entries().size(); });
}

std::int64_t ImageService::layers_size() const {
  std::map<std::string, std::int64_t> layers;
  images_.read([&](const Table& table) {
    for (const auto& [id, entry] : table.entries()) {
      for (auto& [chain, size] : layer_sizes(*entry.facts)) layers.emplace(std::move(chain), size);
    }
  });
  std::int64_t total = 0;
  for (const auto& [chain, size] : layers) total += size;
  return total;
}

// ---- names

ImageEntry ImageService::entry_of(const std::string& id) const {
  return images_.read([&](const Table& table) {
    const ImageEntry* entry = table.find(id);
    if (entry == nullptr) throw ImageTable::no_such_image(id);
    return *entry;
  });
}

Task<std::string> ImageService::assign(std::string id, std::string reference) {
  const TimePoint now = clock_.now();
  ImageEntry target = entry_of(id);
  const std::string owner = images_.read([&](const Table& table) { return table.owner_of(reference); });
  const bool by_digest = reference.contains('@');
  (by_digest ? target.digests : target.tags).insert(reference);
  if (!by_digest) target.last_tagged = now;
  co_await store_.put(StateKind::image, id, target.names_document());
  if (!owner.empty() && owner != id) {
    ImageEntry loser = entry_of(owner);
    loser.tags.erase(reference);
    loser.digests.erase(reference);
    co_await store_.put(StateKind::image, owner, loser.names_document());
  }
  images_.write([&](Table& table) { table.assign(id, reference, now); });
  co_return owner;
}

Task<void> ImageService::unassign(std::string reference) {
  const std::string owner = images_.read([&](const Table& table) { return table.owner_of(reference); });
  if (owner.empty()) co_return;
  ImageEntry entry = entry_of(owner);
  entry.tags.erase(reference);
  entry.digests.erase(reference);
  co_await store_.put(StateKind::image, owner, entry.names_document());
  images_.write([&](Table& table) { table.unassign(reference); });
}

Task<void> ImageService::tag(ImageRef image, std::string repo, std::string tag) {
  auto reference = api::ImageReference::parse(repo);
  if (!reference.digest().empty()) throw Error::invalid_argument("refusing to create a tag with a digest reference");
  reference = tag.empty() ? reference.with_default_tag() : reference.with_tag(tag);
  const OperationLock::Guard turn = co_await changes_.acquire();
  const ImageMatch found = images_.read([&](const Table& table) { return table.require(image.text); });
  co_await assign(found.id, reference.familiar());
  publish("tag", found.id, reference.familiar());
}

void ImageService::publish(std::string action, std::string actor, std::string name, const ImageFacts* facts) {
  EventAttributes attributes;
  std::shared_ptr<const ImageFacts> known;
  if (facts == nullptr) {
    known = images_.read([&](const Table& table) {
      const ImageEntry* entry = table.find(actor);
      return entry == nullptr ? nullptr : entry->facts;
    });
    facts = known.get();
  }
  if (facts != nullptr && facts->config.labels) attributes = *facts->config.labels;
  if (!name.empty()) attributes["name"] = std::move(name);
  events_.publish("image", std::move(action), std::move(actor), std::move(attributes));
}

}  // namespace sockerless
