// Removing images: dockerd's rules of what is untagged, what is deleted and what is a conflict.

#include <algorithm>

#include "base/error.hpp"
#include "engine/image_service.hpp"
#include "engine/until_filter.hpp"

namespace sockerless {

/// Why an image cannot be deleted.
struct RemovalConflict {
  bool hard = false;  ///< force does not help
  bool used = false;  ///< by a container
  std::string message;

  Error error(const std::string& id) const {
    return Error::conflict("conflict: unable to delete {} ({}) - {}", short_image_id(id), hard ? "cannot be forced" : "must be forced",
                           message);
  }
};

namespace {

enum ConflictMask : unsigned { kChild = 1, kRunning = 2, kReferenced = 4, kStopped = 8 };
constexpr unsigned kHard = kChild | kRunning;
constexpr unsigned kSoft = kReferenced | kStopped;

/// One tag at most, or one name in all: such an image can be removed by its id.
bool is_single_reference(const ImageEntry& entry) { return entry.references() == 1 || (entry.references() > 1 && entry.tags.size() <= 1); }

api::ImageDeleteResponseItem untagged(std::string reference) {
  api::ImageDeleteResponseItem item;
  item.untagged = std::move(reference);
  return item;
}

api::ImageDeleteResponseItem deleted(std::string id) {
  api::ImageDeleteResponseItem item;
  item.deleted = std::move(id);
  return item;
}

}  // namespace

std::optional<RemovalConflict> ImageService::conflict_of(const Table& table, const ImageEntry& entry, unsigned mask) const {
  const std::string& id = entry.facts->id;
  if ((mask & kChild) != 0 && table.has_children(id)) return RemovalConflict{true, false, "image has dependent child images"};
  if ((mask & kRunning) != 0 && entry.holds > 0)
    return RemovalConflict{true, true, "image is being used by a container that is being created"};
  const auto users = containers_.using_image(id);
  if ((mask & kRunning) != 0) {
    for (const auto& user : users) {
      if (user->state()->is_running()) {
        return RemovalConflict{true, true, "image is being used by running container " + user->id().short_str()};
      }
    }
  }
  if ((mask & kReferenced) != 0 && entry.references() > 0)
    return RemovalConflict{false, false, "image is referenced in multiple repositories"};
  if ((mask & kStopped) != 0) {
    for (const auto& user : users) {
      if (!user->state()->is_running()) {
        return RemovalConflict{false, true, "image is being used by stopped container " + user->id().short_str()};
      }
    }
  }
  return std::nullopt;
}

Task<std::vector<api::ImageDeleteResponseItem>> ImageService::remove(ImageRef image, RemoveImageOptions options) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  ImageMatch found = images_.read([&](const Table& table) { return table.require(image.text); });
  co_return co_await remove_match(std::move(found), std::move(image.text), options);
}

Task<ImageService::Deleted> ImageService::remove_match(ImageMatch found, std::string text, RemoveImageOptions options) {
  const bool force = options.force == Force::yes;
  Deleted items;
  const ImageEntry entry = entry_of(found.id);
  if (found.reference.empty()) {
    if (is_single_reference(entry)) {
      images_.read([&](const Table& table) {
        const auto conflict = conflict_of(table, *table.find(found.id), kHard | (force ? 0U : kStopped));
        if (conflict) throw conflict->error(found.id);
      });
      for (const auto& tag : entry.tags) co_await untag(found.id, tag, &items);
      for (const auto& digest : entry.digests) co_await untag(found.id, digest, &items);
    }
    co_await delete_image(found.id, force, !options.no_prune, false, &items);
    co_return items;
  }
  if (!force && is_single_reference(entry)) {
    if (const auto users = containers_.using_image(found.id); !users.empty()) {
      throw Error::conflict(
          "conflict: unable to remove repository reference \"{}\" (must force) - container {} is using its referenced image {}", text,
          users.front()->id().short_str(), short_image_id(found.id));
    }
  }
  co_await untag(found.id, found.reference, &items);
  if (!found.reference.contains('@')) co_await untag_digests(found.id, std::string(repository_of(found.reference)), &items);
  if (entry_of(found.id).references() > 0) co_return items;
  co_await delete_image(found.id, force, !options.no_prune, true, &items);
  co_return items;
}

Task<void> ImageService::untag(std::string id, std::string reference, Deleted* items) {
  co_await unassign(reference);
  items->push_back(untagged(std::move(reference)));
  publish("untag", id, id);
}

/// When the last tag of a repository has gone its digests go too.
Task<void> ImageService::untag_digests(std::string id, std::string repository, Deleted* items) {
  const ImageEntry entry = entry_of(id);
  const auto of_repository = [&](const std::string& reference) { return repository_of(reference) == repository; };
  if (std::ranges::any_of(entry.tags, of_repository)) co_return;
  for (const auto& digest : entry.digests) {
    if (!of_repository(digest)) continue;
    co_await unassign(digest);
    items->push_back(untagged(digest));
  }
}

/// @param quiet  a conflict is no failure: the untagging before was what was asked for, or this is a parent.
Task<void> ImageService::delete_image(std::string id, bool force, bool prune_parents, bool quiet, Deleted* items) {
  // Checked and taken out in one step, so that no container can be made of it in between.
  ImageEntry entry;
  const bool taken = images_.write([&](Table& table) {
    const ImageEntry* found = table.find(id);
    if (found == nullptr) return false;
    if (const auto conflict = conflict_of(table, *found, kHard | (force ? 0U : kSoft))) {
      const bool dangling = found->references() == 0 && !table.has_children(id);
      if (quiet && (!dangling || conflict->used)) return false;
      throw conflict->error(id);
    }
    entry = *found;
    table.erase(id);
    if (table.transfers > 0) table.removed.insert(id);
    return true;
  });
  if (!taken) co_return;
  std::vector<std::string> layers;
  std::exception_ptr failure;
  try {
    layers = co_await driver_.remove(id);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    images_.write([&](Table& table) {
      table.add(entry.facts);
      for (const auto& tag : entry.tags) table.assign(id, tag, entry.last_tagged);
      for (const auto& digest : entry.digests) table.assign(id, digest, entry.last_tagged);
    });
    std::rethrow_exception(failure);
  }
  co_await store_.erase(StateKind::image, id);
  for (const auto& tag : entry.tags) items->push_back(untagged(tag));
  for (const auto& digest : entry.digests) items->push_back(untagged(digest));
  publish("delete", id, id, entry.facts.get());
  items->push_back(deleted(id));
  for (auto& layer : layers) items->push_back(deleted(std::move(layer)));
  if (prune_parents && !entry.facts->parent.empty()) co_await delete_image(entry.facts->parent, false, true, true, items);
}

Task<api::ImagePruneResponse> ImageService::prune(api::Filters filters) {
  filters.validate({"dangling", "label", "label!", "until"});
  const bool only_dangling = filters.boolean_or("dangling", true);
  const auto until = find_until(filters, clock_.now());
  const OperationLock::Guard turn = co_await changes_.acquire();
  const std::int64_t before = layers_size();
  std::vector<ImageEntry> candidates;
  images_.read([&](const Table& table) {
    for (const auto& [id, entry] : table.entries()) {
      if (entry.references() == 0 ? table.has_children(id) : only_dangling && !entry.tags.empty()) continue;
      if (until && (!entry.facts->created || *entry.facts->created > *until)) continue;
      if (!filters.match_labels(entry.facts->config.labels.value_or(std::map<std::string, std::string>()))) continue;
      candidates.push_back(entry);
    }
  });
  api::ImagePruneResponse response;
  Deleted items;
  for (const auto& entry : candidates) {
    std::vector<ImageMatch> names;
    for (const auto& tag : entry.tags) names.push_back({entry.facts->id, tag});
    for (const auto& digest : entry.digests) names.push_back({entry.facts->id, digest});
    if (names.empty()) names.push_back({entry.facts->id, {}});
    for (const auto& name : names) {
      if (!images_.read([&](const Table& table) { return name.reference.empty() || table.owner_of(name.reference) == name.id; })) continue;
      try {
        std::ranges::move(co_await remove_match(name, name.reference, {}), std::back_inserter(items));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::internal) throw;  // what is in use stays
      }
    }
  }
  if (!items.empty()) response.images_deleted = std::move(items);
  response.space_reclaimed = before - layers_size();
  events_.publish("image", "prune", "", {{"reclaimed", std::to_string(*response.space_reclaimed)}});
  co_return response;
}

}  // namespace sockerless
