#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/image_reference.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

struct ImageEntry {
  std::shared_ptr<const ImageFacts> facts;
  std::set<std::string> tags;     ///< familiar: "busybox:latest"
  std::set<std::string> digests;  ///< familiar: "busybox@sha256:..."
  TimePoint last_tagged = kNever;
  int holds = 0;  ///< containers that are being made of it

  std::size_t references() const { return tags.size() + digests.size(); }
  /// The names as they are kept on disk.
  std::string names_document() const;
  void read_names(std::string_view document);
};

/// How a client's text was understood.
struct ImageMatch {
  std::string id;
  std::string reference;  ///< familiar, with tag or digest; empty: the text was an id or a prefix of one
};

/// The repository of a familiar reference: "busybox" of "busybox:latest" and of "busybox@sha256:...".
std::string_view repository_of(std::string_view familiar);
/// "sha256:" and all but 12 digits cut off.
std::string short_image_id(std::string_view id);

/// Images and their names: a plain class, no lock, no I/O.
class ImageTable {
 public:
  /// In dockerd's order: a full id, a name (tag "latest" where there is none), a unique prefix of an id.
  /// @errors invalid_argument: neither a reference nor an id ("invalid reference format").
  std::optional<ImageMatch> match(std::string_view text) const;
  /// @errors not_found "No such image: busybox:latest"; invalid_argument as match.
  ImageMatch require(std::string_view text) const;
  static Error no_such_image(std::string_view text);

  const ImageEntry* find(std::string_view id) const;
  ImageEntry* find(std::string_view id);
  /// Nothing happens when the image is known already.
  void add(std::shared_ptr<const ImageFacts> facts);
  /// Its names go with it.
  void erase(const std::string& id);
  /// The image that has this name; empty: none.
  std::string owner_of(const std::string& reference) const;
  /// Gives the name to the image, taking it from another one.
  void assign(const std::string& id, const std::string& reference, TimePoint now);
  void unassign(const std::string& reference);

  const std::map<std::string, ImageEntry, std::less<>>& entries() const { return by_id_; }
  bool has_children(std::string_view id) const;
  /// Tags of one repository.
  std::vector<std::string> tags_of(std::string_view repository) const;

 private:
  std::map<std::string, ImageEntry, std::less<>> by_id_;             // "sha256:...", ordered: a prefix is a range
  std::map<std::string, std::string, std::less<>> id_of_reference_;  // familiar, with tag or digest
};

/// Bytes of each layer of an image, by the chain of diff ids up to it; layers whose own size is not known are counted with the last.
std::vector<std::pair<std::string, std::int64_t>> layer_sizes(const ImageFacts& facts);

}  // namespace sockerless
