#include "backends/local/image_driver.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "backends/local/image_pull.hpp"
#include "backends/local/image_push.hpp"
#include "backends/local/progress_lines.hpp"
#include "oci/archive.hpp"
#include "oci/dockerfile_changes.hpp"
#include "oci/saved_archive.hpp"
#include "oci/spool.hpp"

namespace sockerless::local {

namespace {

namespace json = boost::json;

api::ImageConfig run_config(const oci::ImageDocument& document) {
  return api::parse_json<api::ImageConfig>(json::serialize(document.config));
}

/// A container's configuration with all the members an image's has.
json::object whole_config(const api::ContainerConfig& config) {
  json::object whole = oci::make_empty_config();
  for (const auto& [name, value] : json::parse(api::to_json(config)).as_object()) whole[name] = value;
  return whole;
}

/// A damaged tar is named as dockerd names it.
template <typename F>
auto processing_tar(F action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.message().starts_with("invalid diffID")) throw;
    throw Error(error.code(), "Error processing tar file: " + error.message(), error.detail());
  }
}

/// An archive whose layers stay until it is read.
class PinnedSource : public oci::BlockingSource {
 public:
  PinnedSource(std::shared_ptr<ImageStore> store, std::shared_ptr<ImageStore::Addition> pins, std::unique_ptr<oci::BlockingSource> archive)
      : store_(std::move(store)), pins_(std::move(pins)), archive_(std::move(archive)) {}
  std::size_t blocking_read(std::span<std::byte> buffer) override { return archive_->blocking_read(buffer); }

 private:
  std::shared_ptr<ImageStore> store_;  // outlives the pins
  std::shared_ptr<ImageStore::Addition> pins_;
  std::unique_ptr<oci::BlockingSource> archive_;
};

class LocalImages final : public ImageDriver {
 public:
  explicit LocalImages(ImageDriverOptions options)
      : pool_(options.pool),
        clock_(options.clock),
        store_(std::move(options.store)),
        registries_(std::move(options.registries)),
        fetches_(pool_, strands_of(std::move(options.executor)), store_, options.fetches) {}

  Task<std::vector<ImageFacts>> restore() override {
    co_return co_await run_blocking(pool_, [this] {
      std::vector<ImageFacts> all;
      for (const StoredImage& image : store_->blocking_list()) all.push_back(facts_of(image));
      return all;
    });
  }

  Task<std::vector<NamedImage>> load(std::unique_ptr<ByteSource> archive, ProgressSink& progress) override {
    const oci::Blob blob = co_await oci::spool(&pool_, archive.get(), store_->staging_directory());
    const auto images = co_await run_blocking(
        pool_, [&] { return processing_tar([&] { return oci::blocking_read_archive(blob, store_->staging_directory()); }); });
    for (const oci::ArchivedImage& image : images) std::ignore = run_config(image.document);  // refused before anything is stored
    // Its end deletes what was not committed, which blocks: it has to happen on the pool.
    auto addition = std::make_unique<ImageStore::Addition>(*store_);
    std::exception_ptr failure;
    std::vector<NamedImage> loaded;
    loaded.reserve(images.size());
    try {
      for (const oci::ArchivedImage& image : images) co_await add_layers(addition.get(), &image, &progress);
      loaded = co_await run_blocking(pool_, [&] { return commit(*addition, images); });
    } catch (...) {
      failure = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await run_blocking(pool_, [&] { addition.reset(); });
    if (failure) std::rethrow_exception(failure);
    co_return loaded;
  }

  Task<ImageFacts> import(ImportSpec spec, std::unique_ptr<ByteSource> tar, ProgressSink&) override {
    const auto platform = spec.platform.empty() ? oci::Platform::host() : oci::Platform::parse(spec.platform);
    if (platform.os != "linux") throw Error::invalid_argument("operating system is not supported");
    const json::object config = oci::apply_changes(oci::make_empty_config(), spec.changes);
    const oci::Blob blob = co_await oci::spool(&pool_, tar.get(), store_->staging_directory());
    co_return co_await run_blocking(pool_, [&] {
      ImageStore::Addition addition(*store_);
      const oci::Digest diff_id = processing_tar([&] { return addition.blocking_add_layer(blob, std::nullopt, std::nullopt); }).diff_id;
      auto document = oci::ImageDocument::parse(oci::make_import_document(config, platform, diff_id, clock_.now(), spec.message));
      std::vector<oci::ImageDocument> documents;
      documents.push_back(std::move(document));
      return facts_of(addition.blocking_commit(documents).front());
    });
  }

  Task<ImageFacts> commit(CommitSpec spec, std::unique_ptr<ByteSource> layer) override {
    const json::object container_config = whole_config(spec.container_config);
    json::object config = oci::apply_changes(whole_config(spec.config), spec.changes);
    if (config["Labels"].is_null()) config["Labels"] = json::object();
    const oci::Blob blob = co_await oci::spool(&pool_, layer.get(), store_->staging_directory());
    co_return co_await run_blocking(pool_, [&] {
      ImageStore::Addition addition(*store_);
      addition.pin_image(spec.parent);
      const oci::Digest diff_id = addition.blocking_add_layer(blob, std::nullopt, std::nullopt).diff_id;
      const oci::CommittedLayer step{config, container_config, spec.container, spec.author, spec.comment, diff_id, clock_.now()};
      std::vector<oci::ImageDocument> documents;
      documents.push_back(oci::ImageDocument::parse(oci::make_commit_document(store_->document(spec.parent), step)));
      store_->blocking_set_parent(documents.front().id().str(), spec.parent);
      return facts_of(addition.blocking_commit(documents).front());
    });
  }

  Task<NamedImage> pull(PullSpec spec, ProgressSink& progress) override { return pull_image(&access_, std::move(spec), &progress); }
  bool can_pull() const override { return true; }
  Task<std::string> push(PushSpec spec, ProgressSink& progress) override { return push_image(&access_, std::move(spec), &progress); }
  Task<std::vector<api::ImageSearchResponseItem>> search(std::string term, std::int64_t limit,
                                                         std::optional<api::AuthConfig> auth) override {
    return search_registry(&access_, std::move(term), limit, std::move(auth));
  }
  Task<api::DistributionInspect> inspect_distribution(std::string reference, std::optional<api::AuthConfig> auth) override {
    return inspect_in_registry(&access_, std::move(reference), std::move(auth));
  }
  Task<api::AuthResponse> log_in(api::AuthConfig credentials) override { return log_in_to_registry(&access_, std::move(credentials)); }

  Task<std::unique_ptr<ByteSource>> save(std::vector<NamedImage> images) override {
    co_return co_await run_blocking(pool_, [&] {
      auto pins = std::make_shared<ImageStore::Addition>(*store_);
      std::vector<oci::SavedImage> saved;
      for (const NamedImage& image : images) {
        pins->pin_image(image.facts.id);
        saved.push_back(store_->blocking_save(image.facts.id));
        saved.back().references = image.references;
      }
      return oci::make_byte_source(pool_,
                                   std::make_unique<PinnedSource>(store_, std::move(pins), oci::make_saved_archive(std::move(saved))));
    });
  }

  Task<std::vector<std::string>> remove(std::string image_id) override {
    co_return co_await run_blocking(pool_, [&] { return store_->blocking_remove(image_id); });
  }

 private:
  Task<void> add_layers(ImageStore::Addition* addition, const oci::ArchivedImage* image, ProgressSink* progress) {
    for (const oci::ArchivedLayer& layer : image->layers) {
      const bool is_new = co_await run_blocking(pool_, [&] {
        return processing_tar([&] { return addition->blocking_add_layer(layer.content, layer.diff_id, layer.digest).is_new; });
      });
      if (is_new)
        co_await progress->write(progress_line("Loading layer", layer.diff_id.short_hex(), layer.content.size, layer.content.size));
    }
  }

  static std::vector<NamedImage> commit(ImageStore::Addition& addition, const std::vector<oci::ArchivedImage>& images) {
    std::vector<oci::ImageDocument> documents;
    documents.reserve(images.size());
    for (const auto& image : images) documents.push_back(image.document);
    const auto stored = addition.blocking_commit(documents);
    std::vector<NamedImage> loaded;
    loaded.reserve(images.size());
    for (std::size_t i = 0; i < images.size(); ++i) loaded.push_back({facts_of(stored[i]), images[i].references, {}});
    return loaded;
  }

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  Clock& clock_;
  const std::shared_ptr<ImageStore> store_;  // shared with the workload driver
  const oci::RegistryOptions registries_;
  // Any thread.
  LayerFetches fetches_;
  RegistryAccess access_{pool_, store_, fetches_, registries_};
};

}  // namespace

ImageFacts facts_of(const StoredImage& image) {
  const oci::ImageDocument& document = image.document;
  ImageFacts facts;
  facts.id = document.id().str();
  facts.parent = image.parent;
  facts.comment = document.comment;
  facts.author = document.author;
  facts.architecture = document.architecture;
  facts.variant = document.variant;
  facts.os = document.os.empty() ? "linux" : document.os;
  facts.created = document.created;
  for (const std::int64_t size : image.layer_sizes) facts.size += size;
  for (const oci::Digest& diff_id : document.diff_ids) facts.layers.push_back(diff_id.str());
  facts.config = run_config(document);
  std::size_t layer = 0;
  for (const oci::HistoryItem& item : document.history) {
    api::ImageHistoryResponseItem shown;
    shown.id = "<missing>";
    shown.created = item.created ? unix_seconds(*item.created) : 0;
    shown.created_by = item.created_by;
    shown.comment = item.comment;
    if (!item.empty_layer && layer < image.layer_sizes.size()) shown.size = image.layer_sizes[layer++];
    facts.history.push_back(std::move(shown));
  }
  std::ranges::reverse(facts.history);
  if (!facts.history.empty()) facts.history.front().id = facts.id;
  return facts;
}

std::unique_ptr<ImageDriver> make_image_driver(ImageDriverOptions options) { return std::make_unique<LocalImages>(std::move(options)); }

}  // namespace sockerless::local
