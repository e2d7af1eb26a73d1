#include "oci/archive.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/error.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxMembers = 200'000;
constexpr int kMaxLinks = 16;
constexpr int kMaxIndexDepth = 4;

/// A source that ends with an error when more than the limit comes out of it.
class LimitedSource : public BlockingSource {
 public:
  LimitedSource(BlockingSource& inner, std::uint64_t limit) : inner_(inner), left_(limit) {}
  std::size_t blocking_read(std::span<std::byte> buffer) override {
    const std::size_t count = inner_.blocking_read(buffer);
    if (count > left_) throw Error::too_large("the archive is too large once decompressed");
    left_ -= count;
    return count;
  }

 private:
  BlockingSource& inner_;
  std::uint64_t left_;
};

/// The archive as a plain tar: itself, or what it decompresses to in a nameless file.
Blob decompressed(const Blob& archive, const std::string& spool_directory, std::uint64_t limit) {
  const auto raw = archive.open();
  DecompressingSource plain(*raw);
  std::vector<std::byte> first(512);
  const std::size_t count = plain.blocking_read(first);
  if (count == 0 || plain.is_plain()) return archive;
  auto file = std::make_shared<UniqueFd>(blocking_open_anonymous_file(spool_directory));
  blocking_write_all(file->get(), std::span(first).first(count), "unpack the archive");
  LimitedSource limited(plain, limit);
  blocking_copy(limited, file->get(), "unpack the archive");
  return Blob::whole(std::move(file));
}

/// The members of a tar by their cleaned names; a later one of the same name counts, as it would on a disk.
class Members {
 public:
  explicit Members(const Blob& tar) {
    const auto source = tar.open();
    TarReader reader(*source);
    while (auto entry = reader.blocking_next()) {
      if (entries_.size() >= kMaxMembers) throw Error::too_large("the archive has more than {} members", kMaxMembers);
      std::string name = clean_path(entry->name);
      if (climbs_out(name)) throw Error::invalid_argument("breakout attempt: \"{}\" is outside of the archive", entry->name);
      if (entry->type == TarEntry::Type::file) {
        if (entry->is_sparse) throw Error::invalid_argument("\"{}\": a sparse file is not expected in an image archive", entry->name);
        entries_.insert_or_assign(std::move(name), Member{Blob{tar.file, tar.offset + reader.position(), entry->size}, {}});
      } else if (entry->type == TarEntry::Type::symlink || entry->type == TarEntry::Type::hard_link) {
        entries_.insert_or_assign(name, Member{{}, link_target(name, *entry)});
      }
    }
  }

  std::optional<Blob> find(std::string_view name) const {
    std::string path = clean_path(name);
    for (int hops = 0; hops < kMaxLinks; ++hops) {
      const auto found = entries_.find(path);
      if (found == entries_.end()) return std::nullopt;
      if (found->second.link.empty()) return found->second.content;
      path = found->second.link;
    }
    throw Error::invalid_argument("\"{}\": too many levels of symbolic links in the archive", name);
  }

  Blob get(std::string_view name) const {
    auto blob = find(name);
    if (!blob) throw Error::invalid_argument("the archive has no file \"{}\"", name);
    return *std::move(blob);
  }

 private:
  struct Member {
    Blob content;
    std::string link;
  };

  static std::string link_target(const std::string& name, const TarEntry& entry) {
    std::string base;
    if (entry.type == TarEntry::Type::symlink && !entry.link.starts_with('/')) {
      const auto slash = name.rfind('/');
      if (slash != std::string::npos) base = name.substr(0, slash + 1);
    }
    std::string target = clean_path(base + entry.link);
    if (climbs_out(target)) {
      throw Error::invalid_argument("breakout attempt: invalid {} \"{}\" -> \"{}\"",
                                    entry.type == TarEntry::Type::symlink ? "symlink" : "hardlink", entry.name, entry.link);
    }
    return target;
  }

  std::unordered_map<std::string, Member> entries_;
};

std::string text_of(const json::value& value, std::string_view what) {
  if (!value.is_string()) throw Error::invalid_argument("invalid manifest.json: {} is not a string", what);
  return std::string(std::string_view(value.get_string()));
}

std::vector<std::string> texts_of(const json::object& object, std::string_view name) {
  std::vector<std::string> list;
  const json::value* member = object.if_contains(name);
  if (member == nullptr || member->is_null()) return list;
  if (!member->is_array()) throw Error::invalid_argument("invalid manifest.json: {} is not a list", name);
  for (const auto& item : member->get_array()) list.push_back(text_of(item, name));
  return list;
}

void check_os(const ImageDocument& document) {
  // Docker takes an image that does not say as its own kind.
  if (!document.os.empty() && document.os != "linux") throw Error::invalid_argument("cannot load {} image on linux", document.os);
}

/// The digest in "blobs/sha256/<hex>", which newer dockers write into manifest.json.
std::optional<Digest> digest_in_path(const std::string& path) {
  constexpr std::string_view kBlobs = "blobs/sha256/";
  const std::string cleaned = clean_path(path);
  if (!cleaned.starts_with(kBlobs)) return std::nullopt;
  return Digest::find("sha256:" + cleaned.substr(kBlobs.size()));
}

ArchivedImage read_docker_image(const Members& members, const json::value& item) {
  if (!item.is_object()) throw Error::invalid_argument("invalid manifest.json: an item is not an object");
  const auto& object = item.get_object();
  const json::value* config = object.if_contains("Config");
  if (config == nullptr) throw Error::invalid_argument("invalid manifest, an image without Config");
  ArchivedImage image{
      ImageDocument::parse(members.get(text_of(*config, "Config")).blocking_read_all(kMaxDocument)), {}, texts_of(object, "RepoTags")};
  check_os(image.document);
  const auto layers = texts_of(object, "Layers");
  if (layers.size() != image.document.diff_ids.size()) {
    throw Error::invalid_argument("invalid manifest, layers length mismatch: expected {}, got {}", layers.size(),
                                  image.document.diff_ids.size());
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    image.layers.push_back({members.get(layers[i]), image.document.diff_ids[i], digest_in_path(layers[i])});
  }
  return image;
}

std::vector<ArchivedImage> read_docker_archive(const Members& members, const Blob& manifest) {
  boost::system::error_code failure;
  const json::value list = json::parse(manifest.blocking_read_all(kMaxDocument), failure);
  if (failure) throw Error::invalid_argument("invalid manifest.json: {}", failure.message());
  if (list.is_null()) throw Error::invalid_argument("invalid manifest, manifest cannot be null (but can be [])");
  if (!list.is_array()) throw Error::invalid_argument("invalid manifest.json: not a list");
  std::vector<ArchivedImage> images;
  for (const auto& item : list.get_array()) images.push_back(read_docker_image(members, item));
  return images;
}

/// Reads the images of an OCI layout.
class OciLayout {
 public:
  OciLayout(const Members& members, const Platform& platform) : members_(members), platform_(platform) {}

  std::vector<ArchivedImage> read(const Blob& index_file) {
    auto index = parse_manifest(index_file.blocking_read_all(kMaxDocument));
    const auto* top = std::get_if<ImageIndex>(&index);
    if (top == nullptr) throw Error::invalid_argument("invalid index.json: not an index");
    for (const auto& descriptor : top->manifests) take(descriptor);
    if (images_.empty()) throw Error::invalid_argument("the archive has no image for {}", platform_.str());
    return std::move(images_);
  }

 private:
  static bool is_attestation(const Descriptor& descriptor) {
    return descriptor.annotations.contains("vnd.docker.reference.type") || (descriptor.platform && descriptor.platform->os == "unknown");
  }

  std::string document(const Descriptor& descriptor) const {
    const Blob blob = members_.get("blobs/sha256/" + descriptor.digest.hex());
    std::string raw = blob.blocking_read_all(kMaxDocument);
    if (Digest::of(raw) != descriptor.digest) {
      throw Error::invalid_argument("the archive's blob {} has other content than its name says", descriptor.digest.str());
    }
    return raw;
  }

  void take(const Descriptor& descriptor) {
    if (is_attestation(descriptor)) return;
    if (descriptor.platform && !runs_on(*descriptor.platform, platform_)) return;
    const auto manifest = find_manifest(descriptor, 0);
    if (!manifest) return;
    ArchivedImage image = read_image(*manifest);
    if (auto name = reference_of(descriptor)) image.references.push_back(*std::move(name));
    merge(std::move(image));
  }

  /// The manifest for the platform, through indexes of indexes.
  std::optional<ImageManifest> find_manifest(const Descriptor& descriptor, int depth) const {
    if (depth > kMaxIndexDepth) throw Error::invalid_argument("the archive's indexes are nested too deep");
    auto parsed = parse_manifest(document(descriptor));
    if (auto* manifest = std::get_if<ImageManifest>(&parsed)) return std::move(*manifest);
    for (const auto& child : std::get<ImageIndex>(parsed).manifests) {
      if (is_attestation(child) || (child.platform && !runs_on(*child.platform, platform_))) continue;
      if (auto found = find_manifest(child, depth + 1)) return found;
    }
    return std::nullopt;
  }

  ArchivedImage read_image(const ImageManifest& manifest) const {
    ArchivedImage image{ImageDocument::parse(document(manifest.config)), {}, {}};
    check_os(image.document);
    const auto& diff_ids = image.document.diff_ids;
    if (manifest.layers.size() != diff_ids.size()) {
      throw Error::invalid_argument("invalid manifest, layers length mismatch: expected {}, got {}", manifest.layers.size(),
                                    diff_ids.size());
    }
    for (std::size_t i = 0; i < diff_ids.size(); ++i) {
      const auto& layer = manifest.layers[i];
      const Blob content = members_.get("blobs/sha256/" + layer.digest.hex());
      if (layer.size != content.size) {
        throw Error::invalid_argument("the archive's blob {} has {} bytes, its manifest says {}", layer.digest.str(), content.size,
                                      layer.size);
      }
      image.layers.push_back({content, diff_ids[i], layer.digest});
    }
    return image;
  }

  /// The image's name: containerd's annotation holds all of it, the OCI one often no more than the tag.
  static std::optional<std::string> reference_of(const Descriptor& descriptor) {
    if (const auto full = descriptor.annotations.find("io.containerd.image.name"); full != descriptor.annotations.end())
      return full->second;
    const auto name = descriptor.annotations.find("org.opencontainers.image.ref.name");
    if (name == descriptor.annotations.end() || !name->second.contains(':')) return std::nullopt;
    return name->second;
  }

  void merge(ArchivedImage image) {
    for (auto& known : images_) {
      if (known.document.raw != image.document.raw) continue;
      for (auto& name : image.references) {
        if (std::ranges::find(known.references, name) == known.references.end()) known.references.push_back(std::move(name));
      }
      return;
    }
    images_.push_back(std::move(image));
  }

  const Members& members_;
  const Platform& platform_;
  std::vector<ArchivedImage> images_;
};

}  // namespace

std::vector<ArchivedImage> blocking_read_archive(const Blob& archive, const std::string& spool_directory, const ArchiveOptions& options) {
  const Blob tar = decompressed(archive, spool_directory, options.max_bytes);
  const Members members(tar);
  if (const auto manifest = members.find("manifest.json")) return read_docker_archive(members, *manifest);
  if (const auto index = members.find("index.json")) return OciLayout(members, options.platform).read(*index);
  throw Error::invalid_argument("invalid archive: it holds neither manifest.json (docker save) nor index.json (OCI layout)");
}

}  // namespace sockerless::oci
