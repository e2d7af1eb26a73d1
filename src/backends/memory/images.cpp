#include "backends/memory/images.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/byte_stream.hpp"
#include "base/guarded.hpp"
#include "oci/archive.hpp"
#include "oci/dockerfile_changes.hpp"
#include "oci/manifest.hpp"
#include "oci/source.hpp"
#include "oci/tar.hpp"

namespace sockerless::memory {

namespace {

namespace json = boost::json;

/// A layer that was read to its end: what is known of it without keeping it.
struct ReadLayer {
  std::string diff_id;
  std::int64_t size = 0;
};

/// What unpacking would refuse is refused here too.
void throw_if_it_leads_out(const oci::TarEntry& entry) {
  const std::string path = oci::clean_path(entry.name);
  if (oci::climbs_out(path)) throw Error::invalid_argument("breakout attempt: \"{}\" is outside of the root", entry.name);
  if (entry.type == oci::TarEntry::Type::hard_link && oci::climbs_out(oci::clean_path(entry.link))) {
    throw Error::invalid_argument("breakout attempt: invalid hardlink \"{}\" -> \"{}\"", entry.name, entry.link);
  }
  if (entry.type == oci::TarEntry::Type::symlink && !entry.link.starts_with('/')) {
    const auto slash = path.rfind('/');
    const std::string base = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    if (oci::climbs_out(oci::clean_path(base + entry.link))) {
      throw Error::invalid_argument("breakout attempt: invalid symlink \"{}\" -> \"{}\"", entry.name, entry.link);
    }
  }
}

/// Reads a layer's tar, compressed or not, to its end. @errors invalid_argument: damaged, or a name that leads out of the root.
ReadLayer blocking_read_layer(const oci::Blob& content) {
  const auto raw = content.open();
  oci::DecompressingSource plain(*raw);
  oci::HashingSource hashed(plain);
  oci::TarReader reader(hashed);
  std::uint64_t size = 0;
  while (const auto entry = reader.blocking_next()) {
    throw_if_it_leads_out(*entry);
    size += entry->stored_size;
  }
  return {hashed.blocking_finish().str(), static_cast<std::int64_t>(size)};
}

ImageFacts facts_of(const oci::ImageDocument& document, const std::vector<std::int64_t>& layer_sizes) {
  ImageFacts facts;
  facts.id = document.id().str();
  facts.comment = document.comment;
  facts.author = document.author;
  facts.architecture = document.architecture;
  facts.variant = document.variant;
  facts.os = document.os;
  facts.created = document.created;
  for (const std::int64_t size : layer_sizes) facts.size += size;
  for (const oci::Digest& diff_id : document.diff_ids) facts.layers.push_back(diff_id.str());
  facts.config = api::parse_json<api::ImageConfig>(json::serialize(document.config));
  std::size_t layer = 0;
  for (const oci::HistoryItem& item : document.history) {
    api::ImageHistoryResponseItem shown;
    shown.id = "<missing>";
    shown.created = item.created ? unix_seconds(*item.created) : 0;
    shown.created_by = item.created_by;
    shown.comment = item.comment;
    if (!item.empty_layer && layer < layer_sizes.size()) shown.size = layer_sizes[layer++];
    facts.history.insert(facts.history.begin(), std::move(shown));
  }
  if (!facts.history.empty()) facts.history.front().id = facts.id;
  return facts;
}

std::vector<std::string> chain_ids_of(const ImageFacts& facts) {
  std::vector<std::string> chain;
  for (const std::string& diff_id : facts.layers)
    chain.push_back(chain.empty() ? diff_id : oci::Digest::of(chain.back() + " " + diff_id).str());
  return chain;
}

std::string status_line(std::string_view status, std::string_view id = {}) {
  json::object line{{"status", status}};
  if (!id.empty()) line["id"] = id;
  return json::serialize(line);
}

std::string layer_line(std::string_view status, std::string_view id, std::int64_t current, std::int64_t total) {
  constexpr std::int64_t kWidth = 50;
  const std::int64_t filled = total > 0 ? kWidth * current / total : 0;
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  json::object line{{"status", status}, {"progressDetail", json::object{{"current", current}, {"total", total}}}};
  line["progress"] = fmt::format("[{}]  {}B/{}B", bar, current, total);
  line["id"] = id;
  return json::serialize(line);
}

std::string step_line(std::string_view status, std::string_view id) {
  return json::serialize(json::object{{"status", status}, {"progressDetail", json::object{}}, {"id", id}});
}

/// What a pull of this name gives: always the same image, so that a second pull finds it up to date.
oci::ImageDocument make_pulled_document(const api::ImageReference& reference, const oci::Platform& platform) {
  constexpr TimePoint kCreated{std::chrono::seconds(1704067200)};  // 2024-01-01
  json::object config = oci::make_empty_config();
  config["Env"] = json::array{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  config["Cmd"] = json::array{"/bin/sh"};
  const oci::Digest diff_id = oci::Digest::of(fmt::format("sockerless memory layer of {} for {}", reference.canonical(), platform.str()));
  return oci::ImageDocument::parse(
      oci::make_import_document(config, platform, diff_id, kCreated, fmt::format("simulated pull of {}", reference.familiar())));
}

class MemoryImages final : public ImageDriver {
 public:
  MemoryImages(BlockingPool& pool, Clock& clock, std::string spool_directory)
      : pool_(pool), clock_(clock), spool_directory_(std::move(spool_directory)) {}

  Task<std::vector<ImageFacts>> restore() override { co_return std::vector<ImageFacts>{}; }

  Task<std::vector<NamedImage>> load(std::unique_ptr<ByteSource> archive, ProgressSink& progress) override {
    const oci::Blob blob = co_await spool(*archive);
    const auto images = co_await run_blocking(pool_, [&] { return oci::blocking_read_archive(blob, spool_directory_); });
    std::vector<NamedImage> loaded;
    for (const oci::ArchivedImage& image : images) {
      std::vector<std::int64_t> sizes;
      for (const oci::ArchivedLayer& layer : image.layers) {
        const ReadLayer read = co_await run_blocking(pool_, [&] { return blocking_read_layer(layer.content); });
        if (read.diff_id != layer.diff_id.str()) {
          throw Error::invalid_argument("invalid diffID for layer: expected \"{}\", got \"{}\"", layer.diff_id.str(), read.diff_id);
        }
        sizes.push_back(read.size);
        const auto bytes = static_cast<std::int64_t>(layer.content.size);
        co_await progress.write(layer_line("Loading layer", layer.diff_id.short_hex(), bytes, bytes));
      }
      loaded.push_back({facts_of(image.document, sizes), image.references, {}});
    }
    for (const NamedImage& image : loaded) keep(image.facts);
    co_return loaded;
  }

  Task<ImageFacts> import(ImportSpec spec, std::unique_ptr<ByteSource> tar, ProgressSink&) override {
    const auto platform = spec.platform.empty() ? oci::Platform::host() : oci::Platform::parse(spec.platform);
    json::object config = oci::apply_changes(oci::make_empty_config(), spec.changes);
    const oci::Blob blob = co_await spool(*tar);
    const ReadLayer layer = co_await run_blocking(pool_, [&] { return blocking_read_layer(blob); });
    const auto document = oci::ImageDocument::parse(
        oci::make_import_document(config, platform, oci::Digest::parse(layer.diff_id), clock_.now(), spec.message));
    ImageFacts facts = facts_of(document, {layer.size});
    keep(facts);
    co_return facts;
  }

  Task<NamedImage> pull(PullSpec spec, ProgressSink& progress) override {
    const auto platform = spec.platform.empty() ? oci::Platform::host() : oci::Platform::parse(spec.platform);
    const auto reference = api::ImageReference::parse(spec.reference).with_default_tag();
    const bool by_digest = !reference.digest().empty();
    const oci::ImageDocument document = make_pulled_document(reference, platform);
    const std::string digest = by_digest ? reference.digest() : oci::Digest::of(reference.canonical()).str();
    NamedImage image;
    image.facts = facts_of(document, {kPulledLayerSize});
    image.repo_digest = reference.familiar_name() + "@" + digest;
    if (!by_digest) image.references.push_back(reference.familiar());

    const bool is_new = !images_.read([&](const Images& all) { return all.contains(image.facts.id); });
    co_await progress.write(status_line("Pulling from " + reference.path(), by_digest ? digest : reference.tag()));
    if (is_new) co_await write_layer(progress, document.diff_ids.front().short_hex());
    co_await progress.write(status_line("Digest: " + digest));
    co_await progress.write(
        status_line((is_new ? "Status: Downloaded newer image for " : "Status: Image is up to date for ") + reference.familiar()));
    keep(image.facts);
    co_return image;
  }

  bool can_pull() const override { return true; }

  Task<std::unique_ptr<ByteSource>> save(std::vector<NamedImage>) override {
    throw Error::not_implemented("the memory backend keeps no layers that could be saved");
    co_return nullptr;
  }

  Task<std::vector<std::string>> remove(std::string image_id) override {
    co_return images_.write([&](Images& all) {
      const auto removed = all.extract(image_id);
      std::vector<std::string> gone;
      if (removed.empty()) return gone;
      std::set<std::string> used;
      for (const auto& [id, facts] : all)
        for (std::string& chain_id : chain_ids_of(facts)) used.insert(std::move(chain_id));
      for (const std::string& chain_id : chain_ids_of(removed.mapped())) {
        if (!used.contains(chain_id)) gone.insert(gone.begin(), chain_id);
      }
      return gone;
    });
  }

 private:
  using Images = std::map<std::string, ImageFacts>;
  static constexpr std::int64_t kPulledLayerSize = 4'261'550;

  static Task<void> write_layer(ProgressSink& progress, std::string id) {
    co_await progress.write(step_line("Pulling fs layer", id));
    for (const std::int64_t quarter : {1, 2, 3, 4}) {
      co_await progress.write(layer_line("Downloading", id, kPulledLayerSize * quarter / 4, kPulledLayerSize));
    }
    co_await progress.write(step_line("Verifying Checksum", id));
    co_await progress.write(step_line("Download complete", id));
    co_await progress.write(layer_line("Extracting", id, kPulledLayerSize, kPulledLayerSize));
    co_await progress.write(step_line("Pull complete", id));
  }

  void keep(const ImageFacts& facts) {
    images_.write([&](Images& all) { all.insert_or_assign(facts.id, facts); });
  }

  /// The whole archive in a file without a name.
  Task<oci::Blob> spool(ByteSource& archive) {
    constexpr std::size_t kPiece = 1024UL * 1024;
    auto file =
        std::make_shared<const UniqueFd>(co_await run_blocking(pool_, [&] { return oci::blocking_open_anonymous_file(spool_directory_); }));
    std::string piece;
    for (bool more = true; more;) {
      const auto bytes = co_await archive.next();
      more = !bytes.empty();
      piece += as_text(bytes);
      if (piece.size() < kPiece && more) continue;
      co_await run_blocking(pool_, [&] { oci::blocking_write_all(file->get(), as_bytes(piece), "write the archive"); });
      piece.clear();
    }
    co_return co_await run_blocking(pool_, [&] { return oci::Blob::whole(file); });
  }

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  Clock& clock_;
  const std::string spool_directory_;
  // Any thread.
  Guarded<Images> images_;
};

}  // namespace

std::unique_ptr<ImageDriver> make_image_driver(BlockingPool& pool, Clock& clock, std::string spool_directory) {
  return std::make_unique<MemoryImages>(pool, clock, std::move(spool_directory));
}

}  // namespace sockerless::memory
