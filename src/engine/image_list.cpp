// What is told of images: list, inspect, history.

#include <algorithm>

#include <fnmatch.h>

#include "base/error.hpp"
#include "engine/image_service.hpp"
#include "engine/until_filter.hpp"

namespace sockerless {

namespace {

/// Go's path.Match on the familiar name, with and without its tag.
bool matches_reference(const std::string& pattern, const std::string& familiar) {
  const std::string repository(repository_of(familiar));
  return ::fnmatch(pattern.c_str(), familiar.c_str(), FNM_PATHNAME) == 0 ||
         ::fnmatch(pattern.c_str(), repository.c_str(), FNM_PATHNAME) == 0;
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& familiar) {
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches_reference(pattern, familiar); });
}

TimePoint created_of(const ImageFacts& facts) { return facts.created.value_or(kNever); }

const std::map<std::string, std::string>& labels_of(const ImageFacts& facts) {
  static const std::map<std::string, std::string> kNone;
  return facts.config.labels ? *facts.config.labels : kNone;
}

/// What of the filters is the same for every image.
struct Bounds {
  std::optional<TimePoint> before;
  std::optional<TimePoint> since;
  std::optional<TimePoint> until;

  bool contains(TimePoint created) const {
    return (!before || created < *before) && (!since || created > *since) && (!until || created <= *until);
  }
};

}  // namespace

bool ImageService::is_wanted(const Table& table, const ImageEntry& entry, const ListImagesOptions& options) const {
  const bool only_dangling = options.filters.boolean_or("dangling", false);
  if (!options.filters.match_labels(labels_of(*entry.facts))) return false;
  if (entry.references() == 0) {
    if (!options.all && table.has_children(entry.facts->id)) return false;
    if (options.filters.contains("dangling") && !only_dangling) return false;
    return !options.filters.contains("reference");
  }
  if (only_dangling && !entry.tags.empty()) return false;
  const auto& patterns = options.filters.get("reference");
  const auto matches = [&](const std::string& name) { return matches_any(patterns, name); };
  return std::ranges::any_of(entry.tags, matches) || std::ranges::any_of(entry.digests, matches);
}

api::ImageSummary ImageService::summarize(const ImageEntry& entry, const std::map<std::string, std::int64_t>& containers) const {
  const ImageFacts& facts = *entry.facts;
  api::ImageSummary summary;
  summary.id = facts.id;
  summary.parent_id = facts.parent;
  summary.repo_tags.assign(entry.tags.begin(), entry.tags.end());
  summary.repo_digests.assign(entry.digests.begin(), entry.digests.end());
  summary.created = facts.created ? unix_seconds(*facts.created) : 0;
  summary.size = facts.size;
  summary.shared_size = -1;
  summary.labels = facts.config.labels;
  const auto it = containers.find(facts.id);
  summary.containers = it == containers.end() ? 0 : it->second;
  return summary;
}

Task<std::vector<api::ImageSummary>> ImageService::list(ListImagesOptions options) {
  options.filters.validate({"dangling", "label", "label!", "before", "since", "reference", "until"});
  std::map<std::string, std::int64_t> containers;
  for (const auto& container : containers_.all()) ++containers[container->definition()->spec.image_id];
  Bounds bounds;
  bounds.until = find_until(options.filters, clock_.now());
  for (const auto& reference : options.filters.get("before")) bounds.before = created_of(*get(reference));
  for (const auto& reference : options.filters.get("since")) bounds.since = created_of(*get(reference));

  std::vector<api::ImageSummary> summaries;
  images_.read([&](const Table& table) {
    std::map<std::string, std::pair<int, std::int64_t>> layers;  // users and size by chain
    if (options.shared_size) {
      for (const auto& [id, entry] : table.entries()) {
        for (const auto& [chain, size] : layer_sizes(*entry.facts)) {
          auto& layer = layers[chain];
          ++layer.first;
          layer.second = size;
        }
      }
    }
    for (const auto& [id, entry] : table.entries()) {
      if (!bounds.contains(created_of(*entry.facts)) || !is_wanted(table, entry, options)) continue;
      api::ImageSummary summary = summarize(entry, containers);
      const auto& patterns = options.filters.get("reference");
      std::erase_if(summary.repo_tags, [&](const auto& name) { return !matches_any(patterns, name); });
      std::erase_if(summary.repo_digests, [&](const auto& name) { return !matches_any(patterns, name); });
      if (options.shared_size) {
        summary.shared_size = 0;
        for (const auto& [chain, size] : layer_sizes(*entry.facts)) summary.shared_size += layers[chain].first > 1 ? size : 0;
      }
      summaries.push_back(std::move(summary));
    }
  });
  std::ranges::sort(summaries, [](const auto& a, const auto& b) { return std::tie(b.created, a.id) < std::tie(a.created, b.id); });
  co_return summaries;
}

Task<api::ImageInspect> ImageService::inspect(ImageRef image) {
  const ImageEntry entry = images_.read([&](const Table& table) { return *table.find(table.require(image.text).id); });
  const ImageFacts& facts = *entry.facts;
  api::ImageInspect result;
  result.id = facts.id;
  result.repo_tags.emplace(entry.tags.begin(), entry.tags.end());
  result.repo_digests.emplace(entry.digests.begin(), entry.digests.end());
  result.parent = facts.parent;
  result.comment = facts.comment;
  if (facts.comment.empty() && !facts.history.empty()) result.comment = facts.history.front().comment;
  if (facts.created) result.created = format_rfc3339(*facts.created);
  result.author = facts.author;
  result.config = facts.config;
  result.architecture = facts.architecture;
  if (!facts.variant.empty()) result.variant = facts.variant;
  result.os = facts.os;
  result.size = facts.size;
  result.graph_driver.emplace().name = storage_driver_;
  result.root_fs.emplace().type = "layers";
  if (!facts.layers.empty()) result.root_fs->layers = facts.layers;
  result.metadata.emplace().last_tag_time = format_rfc3339(entry.last_tagged);
  co_return result;
}

Task<std::vector<api::ImageHistoryResponseItem>> ImageService::history(ImageRef image) {
  co_return images_.read([&](const Table& table) {
    const ImageEntry& entry = *table.find(table.require(image.text).id);
    auto items = entry.facts->history;
    if (!items.empty()) items.front().id = entry.facts->id;
    // Where images were committed one on the other, each step that an image ends with is that image.
    for (const ImageEntry* below = table.find(entry.facts->parent); below != nullptr; below = table.find(below->facts->parent)) {
      const std::size_t steps = below->facts->history.size();
      if (steps == 0 || steps >= items.size()) break;
      items[items.size() - steps].id = below->facts->id;
    }
    for (auto& item : items) {
      const ImageEntry* named = table.find(item.id);
      if (named != nullptr && !named->tags.empty()) item.tags.emplace(named->tags.begin(), named->tags.end());
    }
    return items;
  });
}

}  // namespace sockerless
