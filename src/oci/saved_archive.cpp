#include "oci/saved_archive.hpp"

#include <deque>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include "api/image_reference.hpp"
#include "base/error.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;

using Part = std::function<std::unique_ptr<BlockingSource>()>;

/// Sources one after the other, each opened when its turn comes.
class ConcatenatedSource : public BlockingSource {
 public:
  explicit ConcatenatedSource(std::deque<Part> parts) : parts_(std::move(parts)) {}

  std::size_t blocking_read(std::span<std::byte> buffer) override {
    for (;;) {
      if (current_) {
        if (const std::size_t count = current_->blocking_read(buffer)) return count;
        current_.reset();
      }
      if (parts_.empty()) return 0;
      current_ = parts_.front()();
      parts_.pop_front();
    }
  }

 private:
  std::deque<Part> parts_;
  std::unique_ptr<BlockingSource> current_;
};

class TextSink : public TarWriter::Sink {
 public:
  void blocking_write(std::span<const std::byte> bytes) override { text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  std::string text;
};

json::object descriptor(std::string_view media_type, const Digest& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest.str()}, {"size", size}};
}

std::string blob_path(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

/// Collects the archive's members.
class Archive {
 public:
  void add_directory(std::string name) {
    TarEntry entry;
    entry.type = TarEntry::Type::directory;
    entry.name = std::move(name);
    entry.mode = 0755;
    writer_.blocking_add(entry);
  }

  void add_file(std::string_view name, std::string_view content) { writer_.blocking_add_file(name, content); }

  Digest add_blob(std::string_view content) {
    Digest digest = Digest::of(content);
    if (blobs_.insert(digest).second) add_file(blob_path(digest), content);
    return digest;
  }

  void add_layer(SavedLayer layer) {
    if (!blobs_.insert(layer.diff_id).second) return;
    TextSink head;
    TarWriter writer(head);
    TarEntry entry;
    entry.name = blob_path(layer.diff_id);
    entry.mode = 0644;
    entry.size = layer.tar_bytes;
    writer.blocking_add(entry);
    flush();
    add_text(std::move(head.text));
    parts_.push_back(std::move(layer.open));
    add_text(std::string((512 - layer.tar_bytes % 512) % 512, '\0'));
  }

  std::unique_ptr<BlockingSource> finish() {
    writer_.blocking_finish();
    flush();
    return std::make_unique<ConcatenatedSource>(std::move(parts_));
  }

 private:
  void flush() {
    writer_.blocking_align();
    add_text(std::exchange(sink_.text, {}));
  }
  void add_text(std::string text) {
    parts_.emplace_back([text = std::move(text)] { return std::make_unique<MemorySource>(text); });
  }

  TextSink sink_;
  TarWriter writer_{sink_};
  std::deque<Part> parts_;
  std::set<Digest> blobs_;
};

/// One entry of index.json for each name, or one without a name.
void add_to_index(json::array& index, const json::object& manifest, const std::vector<std::string>& references) {
  if (references.empty()) index.push_back(manifest);
  for (const std::string& reference : references) {
    json::object named = manifest;
    const auto name = api::ImageReference::parse(reference).with_default_tag();
    named["annotations"] = json::object{{"io.containerd.image.name", name.canonical()}, {"org.opencontainers.image.ref.name", name.tag()}};
    index.push_back(std::move(named));
  }
}

}  // namespace

std::unique_ptr<BlockingSource> make_saved_archive(std::vector<SavedImage> images) {
  Archive archive;
  json::array index;
  json::array docker_manifest;
  archive.add_directory("blobs/");
  archive.add_directory("blobs/sha256/");
  for (SavedImage& image : images) {
    SOCKERLESS_ASSERT(image.layers.size() == image.document.diff_ids.size(), "a layer for each diff id");
    json::array layer_paths;
    json::array layer_descriptors;
    for (SavedLayer& layer : image.layers) {
      layer_paths.emplace_back(blob_path(layer.diff_id));
      layer_descriptors.push_back(descriptor("application/vnd.oci.image.layer.v1.tar", layer.diff_id, layer.tar_bytes));
      archive.add_layer(std::move(layer));
    }
    const Digest config = archive.add_blob(image.document.raw);
    const std::string manifest =
        json::serialize(json::object{{"schemaVersion", 2},
                                     {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                     {"config", descriptor("application/vnd.oci.image.config.v1+json", config, image.document.raw.size())},
                                     {"layers", std::move(layer_descriptors)}});
    json::object entry = descriptor("application/vnd.oci.image.manifest.v1+json", archive.add_blob(manifest), manifest.size());
    add_to_index(index, entry, image.references);
    json::value tags = nullptr;
    if (!image.references.empty()) tags = json::value_from(image.references);
    docker_manifest.push_back(
        json::object{{"Config", blob_path(config)}, {"RepoTags", std::move(tags)}, {"Layers", std::move(layer_paths)}});
  }
  archive.add_file("index.json",
                   json::serialize(json::object{
                       {"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", std::move(index)}}));
  archive.add_file("manifest.json", json::serialize(docker_manifest));
  archive.add_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  return archive.finish();
}

}  // namespace sockerless::oci
