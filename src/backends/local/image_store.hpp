#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/overlay.hpp"
#include "base/guarded.hpp"
#include "oci/digest.hpp"
#include "oci/layer.hpp"
#include "oci/manifest.hpp"
#include "oci/saved_archive.hpp"

// Image content on disk, named by its digests:
//
//   images/<hex>          the configuration document of an image: where it stands, the image is whole
//   parents/<hex>         the id of the image that this one was committed on
//   layers/<diff id>/diff a layer, unpacked once in overlayfs form and shared by all images and containers that have it; beside it size
//   (its
//                         bytes, and those of its tar) and tar-split (what gives the tar back, for save)
//   holds/<name>          who still needs which image (a container its root); an image that was removed meanwhile lies in removed/<hex>
//   staging/              work that is not done; emptied at start
//
// A layer is unpacked in staging/ and renamed into place, then the document is. So whatever moment the process or the disk space ends at,
// an image is there with all its layers or not at all; what is left over is a layer that no image names, which the next start removes.
// Removing goes the other way round. References are not counted on disk: they are what the documents say.

namespace sockerless::local {

/// One image of the store.
struct StoredImage {
  oci::ImageDocument document;
  std::vector<std::int64_t> layer_sizes;  ///< bytes, lowest layer first
  std::string parent;                     ///< the id of the image it was committed on; empty: none
};

/// Keeps images for the local backend. Every function may block. Threads: any. One process at a time for a root.
class ImageStore final : public LayerSource {
 public:
  /// Opens the store under `root`, making it where it is missing, and removes what an interrupted process left.
  static std::shared_ptr<ImageStore> blocking_open(const std::string& root);

  struct AddedLayer {
    oci::Digest diff_id;
    bool is_new = false;  ///< it was unpacked: the store did not have it
  };

  /// Layers on their way into the store. They stay when commit() succeeds; otherwise all that nobody else has goes with this object.
  class Addition {
   public:
    explicit Addition(ImageStore& store) : store_(store) {}
    ~Addition();
    Addition(const Addition&) = delete;
    Addition& operator=(const Addition&) = delete;

    /// Unpacks a layer, unless the store has it already. @param digest  of the bytes as they come; checked where given.
    /// @errors as blocking_apply_layer.
    AddedLayer blocking_add_layer(const oci::Blob& content, const std::optional<oci::Digest>& diff_id,
                                  const std::optional<oci::Digest>& digest);
    /// Keeps a layer that the store has for as long as this object lives. @return false: the store does not have it.
    bool reuse_layer(const oci::Digest& diff_id);
    /// Keeps an image's layers for as long as this object lives. @errors not_found.
    void pin_image(const std::string& image_id);
    /// Keeps a layer that the store has. @return false: it has none of that name.
    bool pin_layer(const oci::Digest& diff_id);
    /// Makes the images visible, all or none. Their layers must have been added.
    std::vector<StoredImage> blocking_commit(const std::vector<oci::ImageDocument>& documents);

   private:
    void pin(const oci::Digest& diff_id);

    ImageStore& store_;
    std::set<oci::Digest> pinned_;
  };

  /// Remembers what an image that is about to be committed is made of; forgotten when it is removed.
  void blocking_set_parent(const std::string& image_id, const std::string& parent);
  /// @errors not_found.
  oci::ImageDocument document(const std::string& image_id) const;
  bool has_image(std::string_view image_id) const;
  /// @errors not_found: "No such image: ...".
  StoredImage blocking_get(const std::string& image_id) const;
  /// Every image.
  std::vector<StoredImage> blocking_list() const;
  /// Removes an image, and each layer that no image, hold or addition needs.
  /// @return the chain ids of the layers that are gone from its stack, topmost first. @errors not_found: "No such image: ...".
  std::vector<std::string> blocking_remove(const std::string& image_id);

  /// The image's layers stay until release(), also when the image is removed. `name` is a container's id: one path component.
  void blocking_hold(const std::string& name, const std::string& image_id) override;
  /// Idempotent.
  void blocking_release(const std::string& name) override;
  /// The names of all holds: a caller that has lost one releases it.
  std::vector<std::string> holds() const override;

  /// What `docker save` writes of an image, to be read while an Addition pins it; names are the caller's to add.
  /// @errors not_found; not_implemented: a layer whose tar cannot be given back.
  oci::SavedImage blocking_save(const std::string& image_id) const;

  /// LayerSource. A layer that stands in the stack twice is listed once, at its topmost place, which gives the same root.
  std::vector<std::string> blocking_layer_folders(const std::string& image_id) override;

  /// For files on their way in.
  std::string staging_directory() const { return (root_ / "staging").string(); }

 private:
  struct Image {
    std::string raw;
    std::vector<oci::Digest> diff_ids;
  };
  struct Layer {
    std::int64_t size = 0;
    std::uint64_t tar_bytes = 0;
  };
  struct State {
    std::map<std::string, Image, std::less<>> images;   // by id
    std::map<std::string, Image, std::less<>> removed;  // by id: held only
    std::map<std::string, std::string> holds;           // name -> image id
    std::map<std::string, std::string> parents;         // image id -> image id
    std::map<oci::Digest, Layer> layers;                // in place
    std::map<oci::Digest, int> pins;                    // by additions
  };

  explicit ImageStore(std::filesystem::path root);

  void load_state();
  void load_images(std::string_view folder, std::map<std::string, Image, std::less<>>& images);
  std::filesystem::path document_path(std::string_view folder, const std::string& image_id) const;
  std::filesystem::path layer_path(const oci::Digest& diff_id) const;
  std::string new_staging_path();
  void place_layer(const std::string& staged, const oci::AppliedLayer& layer);
  void write_file(const std::filesystem::path& path, std::string_view text);
  static bool is_used(const State& state, const oci::Digest& diff_id);
  std::set<oci::Digest> drop_unused(State& state, const std::vector<oci::Digest>& candidates, std::vector<std::string>& doomed);
  void load_layers(State& state, std::vector<std::string>& doomed);
  StoredImage stored(const State& state, const Image& image) const;

  // Set in the constructor, never changed.
  const std::filesystem::path root_;
  // Any thread. Held while files are renamed or unlinked, never while a layer is unpacked or deleted.
  Guarded<State> state_;
};

}  // namespace sockerless::local
