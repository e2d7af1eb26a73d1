#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/roles.hpp"
#include "base/guarded.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"
#include "engine/image_table.hpp"
#include "engine/operation_lock.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

struct RemovalConflict;

/// Keeps an image from being removed while a container is made of it.
class ImageHold;

/// An image as a container that is being made gets it.
struct AcquiredImage {
  std::shared_ptr<const ImageFacts> facts;
  std::shared_ptr<ImageHold> hold;  ///< keep it until the container is in the table
};

/// The names of images and what Docker does with them; content is the driver's. Also the registry role of a driver that can pull.
///
/// Threads: any; changes take turns.
class ImageService final : public ImageRole, public RegistryRole {
 public:
  ImageService(ImageDriver& driver, StateStore& store, EventBus& events, ContainerTable& containers, Clock& clock);
  ~ImageService() override;

  /// Reads the driver's images and the stored names. Called once, before anything else.
  Task<void> restore();
  /// GraphDriver.Name of inspect. Called before the first request.
  void set_storage_driver(std::string name) { storage_driver_ = std::move(name); }
  /// Cancels what loads and pulls, and joins it.
  Task<void> stop();

  Task<std::vector<api::ImageSummary>> list(ListImagesOptions options) override;
  Task<api::ImageInspect> inspect(ImageRef image) override;
  Task<std::vector<api::ImageHistoryResponseItem>> history(ImageRef image) override;
  Task<void> tag(ImageRef image, std::string repo, std::string tag) override;
  Task<std::vector<api::ImageDeleteResponseItem>> remove(ImageRef image, RemoveImageOptions options) override;
  Task<api::ImagePruneResponse> prune(api::Filters filters) override;
  Task<ProgressStream> load(std::unique_ptr<ByteSource> archive, bool quiet) override;
  Task<ProgressStream> import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) override;
  Task<std::unique_ptr<ByteSource>> save(std::vector<ImageRef> images) override;

  /// Makes an image of a container's layer; an empty reference gives it no name. @return its id.
  Task<std::string> commit(CommitSpec spec, std::string reference, std::unique_ptr<ByteSource> layer);
  /// Runs `work`, which puts a new image into the driver's store, and gives the image its names (familiar, with tag).
  Task<ImageFacts> add_made(Task<ImageFacts> work, std::vector<std::string> references);

  /// Use the registry role only when this is true.
  bool can_pull() const { return driver_.can_pull(); }
  Task<ProgressStream> pull(PullImageOptions options) override;
  Task<ProgressStream> push(PushImageOptions options) override;
  Task<std::vector<api::ImageSearchResponseItem>> search(SearchImagesOptions options) override;
  Task<api::DistributionInspect> inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) override;
  Task<api::AuthResponse> auth(api::AuthConfig credentials) override;

  /// For a container that is being made. @errors not_found "No such image: busybox:latest".
  AcquiredImage acquire(std::string_view reference);
  /// @errors not_found "No such image: busybox:latest".
  std::shared_ptr<const ImageFacts> get(std::string_view reference) const;
  /// The same, null when there is none.
  std::shared_ptr<const ImageFacts> find(std::string_view reference) const;
  /// Whether this text still means this image: a tag may have moved on or gone.
  bool still_names(std::string_view reference, std::string_view id) const;
  /// `ancestor` filter: the ids of the image and of everything made from it; empty when there is no such image.
  std::set<std::string> with_descendants(std::string_view reference) const;
  /// How many images there are: Info.Images.
  std::size_t size() const;
  /// Bytes of all layers, each counted once: LayersSize of GET /system/df.
  std::int64_t layers_size() const;

 private:
  friend class ImageHold;

  struct Table : ImageTable {
    int transfers = 0;              // loads, imports and pulls in flight
    std::set<std::string> removed;  // whose content was removed since the first of these began
  };
  class Transfer;

  api::ImageSummary summarize(const ImageEntry& entry, const std::map<std::string, std::int64_t>& containers) const;
  bool is_wanted(const Table& table, const ImageEntry& entry, const ListImagesOptions& options) const;
  ImageEntry entry_of(const std::string& id) const;

  // Changes of names; the caller holds changes_. On disk first, then in the table.
  Task<std::string> assign(std::string id, std::string reference);
  Task<void> unassign(std::string reference);

  using Deleted = std::vector<api::ImageDeleteResponseItem>;
  Task<Deleted> remove_match(ImageMatch found, std::string text, RemoveImageOptions options);
  Task<void> untag(std::string id, std::string reference, Deleted* items);
  Task<void> untag_digests(std::string id, std::string repository, Deleted* items);
  Task<void> delete_image(std::string id, bool force, bool prune_parents, bool quiet, Deleted* items);
  std::optional<RemovalConflict> conflict_of(const Table& table, const ImageEntry& entry, unsigned mask) const;

  void add_facts(const ImageFacts& facts);
  Task<std::vector<std::string>> name_loaded(std::vector<NamedImage> images);
  Task<void> run_load(std::unique_ptr<ByteSource> archive, bool quiet, ProgressSink& sink);
  Task<void> run_import(ImportSpec spec, std::string reference, std::unique_ptr<ByteSource> tar, ProgressSink& sink);
  Task<void> run_pull(PullSpec spec, ProgressSink& sink);
  Task<void> run_push(std::string name, std::vector<PushSpec> pushes, ProgressSink& sink);
  void release(const std::string& id);
  void publish(std::string action, std::string actor, std::string name, const ImageFacts* facts = nullptr);

  ImageDriver& driver_;
  StateStore& store_;
  EventBus& events_;
  ContainerTable& containers_;
  Clock& clock_;
  std::string storage_driver_;
  OperationLock changes_;  // what changes names or content takes turns
  Guarded<Table> images_;
  std::shared_ptr<TaskGroup> tasks_;  // shared with progress streams, whose producers run in it
};

class ImageHold {
 public:
  ImageHold(ImageService& service, std::string id) : service_(service), id_(std::move(id)) {}
  ~ImageHold() { service_.release(id_); }
  ImageHold(const ImageHold&) = delete;
  ImageHold& operator=(const ImageHold&) = delete;

 private:
  ImageService& service_;
  std::string id_;
};

}  // namespace sockerless
