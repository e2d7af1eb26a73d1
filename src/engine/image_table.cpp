#include "engine/image_table.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::size_t kShortDigits = 12;

bool is_digest_reference(std::string_view reference) { return reference.contains('@'); }

/// The key of a name in the table: with a digest the tag does not count.
std::string key_of(const api::ImageReference& reference) {
  if (!reference.digest().empty()) return reference.familiar_name() + "@" + reference.digest();
  return reference.with_default_tag().familiar();
}

/// "sha256:<64 digits>" when the text is a full id, with or without the algorithm.
std::string full_id(std::string_view text) {
  const std::string_view digits = text.starts_with(kAlgorithm) ? text.substr(kAlgorithm.size()) : text;
  return is_hex64(digits) ? std::string(kAlgorithm) + std::string(digits) : std::string();
}

}  // namespace

std::string ImageEntry::names_document() const {
  boost::json::array tag_list(tags.begin(), tags.end());
  boost::json::array digest_list(digests.begin(), digests.end());
  return boost::json::serialize(boost::json::object{
      {"tags", std::move(tag_list)}, {"digests", std::move(digest_list)}, {"last_tagged", last_tagged.time_since_epoch().count()}});
}

void ImageEntry::read_names(std::string_view document) {
  const auto value = boost::json::parse(document);
  for (const auto& tag : value.at("tags").as_array()) tags.insert(std::string(tag.as_string()));
  for (const auto& digest : value.at("digests").as_array()) digests.insert(std::string(digest.as_string()));
  last_tagged = TimePoint(Duration(value.at("last_tagged").to_number<std::int64_t>()));
}

std::string_view repository_of(std::string_view familiar) {
  if (const auto at = familiar.find('@'); at != std::string_view::npos) return familiar.substr(0, at);
  const auto colon = familiar.rfind(':');
  const auto slash = familiar.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) return familiar;
  return familiar.substr(0, colon);
}

std::string short_image_id(std::string_view id) {
  if (id.starts_with(kAlgorithm)) id.remove_prefix(kAlgorithm.size());
  return std::string(id.substr(0, kShortDigits));
}

std::optional<ImageMatch> ImageTable::match(std::string_view text) const {
  if (const std::string id = full_id(text); !id.empty()) {
    return by_id_.contains(id) ? std::optional(ImageMatch{id, {}}) : std::nullopt;
  }
  const std::string key = key_of(api::ImageReference::parse(text));
  if (const auto it = id_of_reference_.find(key); it != id_of_reference_.end()) return ImageMatch{it->second, key};
  const std::string prefix = std::string(text.starts_with(kAlgorithm) ? "" : kAlgorithm) + std::string(text);
  const auto first = by_id_.lower_bound(prefix);
  if (first == by_id_.end() || !first->first.starts_with(prefix)) return std::nullopt;
  const auto second = std::next(first);
  if (second != by_id_.end() && second->first.starts_with(prefix)) return std::nullopt;
  return ImageMatch{first->first, {}};
}

Error ImageTable::no_such_image(std::string_view text) {
  if (const std::string id = full_id(text); !id.empty()) return Error::not_found("No such image: {}", id);
  const auto reference = api::ImageReference::find(text);
  return Error::not_found("No such image: {}", reference ? reference->with_default_tag().familiar() : std::string(text));
}

ImageMatch ImageTable::require(std::string_view text) const {
  auto found = match(text);
  if (!found) throw no_such_image(text);
  return std::move(*found);
}

const ImageEntry* ImageTable::find(std::string_view id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

ImageEntry* ImageTable::find(std::string_view id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

void ImageTable::add(std::shared_ptr<const ImageFacts> facts) {
  const std::string id = facts->id;
  auto [it, inserted] = by_id_.try_emplace(id);
  if (inserted) it->second.facts = std::move(facts);
}

void ImageTable::erase(const std::string& id) {
  by_id_.erase(id);
  std::erase_if(id_of_reference_, [&](const auto& item) { return item.second == id; });
}

std::string ImageTable::owner_of(const std::string& reference) const {
  const auto it = id_of_reference_.find(reference);
  return it == id_of_reference_.end() ? std::string() : it->second;
}

void ImageTable::assign(const std::string& id, const std::string& reference, TimePoint now) {
  if (const std::string owner = owner_of(reference); owner != id) unassign(reference);
  ImageEntry& entry = by_id_.at(id);
  if (is_digest_reference(reference)) {
    entry.digests.insert(reference);
  } else {
    entry.tags.insert(reference);
    entry.last_tagged = now;
  }
  id_of_reference_[reference] = id;
}

void ImageTable::unassign(const std::string& reference) {
  const auto it = id_of_reference_.find(reference);
  if (it == id_of_reference_.end()) return;
  ImageEntry& entry = by_id_.at(it->second);
  entry.tags.erase(reference);
  entry.digests.erase(reference);
  id_of_reference_.erase(it);
}

bool ImageTable::has_children(std::string_view id) const {
  return std::ranges::any_of(by_id_, [&](const auto& item) { return item.second.facts->parent == id; });
}

std::vector<std::string> ImageTable::tags_of(std::string_view repository) const {
  std::vector<std::string> tags;
  for (const auto& [reference, id] : id_of_reference_) {
    if (!is_digest_reference(reference) && repository_of(reference) == repository) tags.push_back(reference);
  }
  return tags;
}

std::vector<std::pair<std::string, std::int64_t>> layer_sizes(const ImageFacts& facts) {
  std::vector<std::int64_t> known;
  for (const auto& item : facts.history) {
    if (item.size > 0) known.insert(known.begin(), item.size);
  }
  std::vector<std::pair<std::string, std::int64_t>> sizes;
  std::string chain;
  for (std::size_t i = 0; i < facts.layers.size(); ++i) {
    chain += facts.layers[i];
    const bool last = i + 1 == facts.layers.size();
    const std::int64_t size = known.size() == facts.layers.size() ? known[i] : last ? facts.size : 0;
    sizes.emplace_back(chain, size);
  }
  return sizes;
}

}  // namespace sockerless
