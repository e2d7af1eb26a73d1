#include "backends/local/image_store.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/unique_fd.hpp"
#include "oci/source.hpp"
#include "oci/spool.hpp"
#include "oci/tar_split.hpp"

namespace sockerless::local {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxEntries = 4'000'000;  // of a layer: far above any image that is meant well

Logger& logger() {
  static Logger log("images");
  return log;
}

std::string read_text(const fs::path& path) {
  auto file = std::make_shared<UniqueFd>(blocking_open(path.string(), O_RDONLY));
  return oci::Blob::whole(std::move(file)).blocking_read_all(oci::kMaxDocument);
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw from_errno(errno, fmt::format("rename to {}", to.string()));
}

void unlink_path(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw from_errno(errno, fmt::format("remove {}", path.string()));
}

void make_directory(const fs::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw from_errno(errno, fmt::format("mkdir {}", path.string()));
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

void remove_tree(const fs::path& path) { oci::blocking_remove_tree(AT_FDCWD, path.string()); }

/// Removes it, or says in the log why not: what is left is removed at the next start.
void try_remove_tree(const fs::path& path) noexcept {
  try {
    remove_tree(path);
  } catch (const std::exception& error) {
    logger().warn("left behind path={} reason={}", path.string(), error.what());
  }
}

void sync_directory(const fs::path& path) {
  const UniqueFd directory = blocking_open(path.string(), O_RDONLY | O_DIRECTORY);
  if (::fsync(directory.get()) != 0) throw from_errno(errno, fmt::format("sync {}", path.string()));
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && !name.contains('/') && !name.contains('\0') && name.size() <= 200;
}

}  // namespace

ImageStore::ImageStore(fs::path root) : root_(std::move(root)) {}

std::shared_ptr<ImageStore> ImageStore::blocking_open(const std::string& root) {
  const fs::path absolute = fs::absolute(root);
  fs::create_directories(absolute.parent_path());
  make_directory(absolute, 0700);
  for (const char* name : {"images", "removed", "layers", "holds", "parents"}) make_directory(absolute / name, 0700);
  std::shared_ptr<ImageStore> store(new ImageStore(absolute));  // NOLINT(cppcoreguidelines-owning-memory): the constructor is private
  remove_tree(store->root_ / "staging");
  make_directory(store->root_ / "staging", 0700);
  store->load_state();
  return store;
}

fs::path ImageStore::document_path(std::string_view folder, const std::string& image_id) const {
  return root_ / folder / oci::Digest::parse(image_id).hex();
}

fs::path ImageStore::layer_path(const oci::Digest& diff_id) const { return root_ / "layers" / diff_id.hex(); }

std::string ImageStore::new_staging_path() { return (root_ / "staging" / system_random().hex64().substr(0, 16)).string(); }

void ImageStore::load_images(std::string_view folder, std::map<std::string, Image, std::less<>>& images) {
  for (const std::string& name : names_in(root_ / folder)) {
    try {
      oci::ImageDocument document = oci::ImageDocument::parse(read_text(root_ / folder / name));
      if (document.id().hex() != name) throw Error::internal("the document is damaged");
      images.emplace(document.id().str(), Image{std::move(document.raw), std::move(document.diff_ids)});
    } catch (const Error& error) {
      logger().error("image left out document={} reason={}", name, error.what());
    }
  }
}

void ImageStore::load_layers(State& state, std::vector<std::string>& doomed) {
  for (const std::string& name : names_in(root_ / "layers")) {
    try {
      const std::string text = read_text(root_ / "layers" / name / "size");
      Layer layer;
      const char* end = text.data() + text.size();
      const char* at = std::from_chars(text.data(), end, layer.size).ptr;
      if (at != end) std::from_chars(at + 1, end, layer.tar_bytes);
      state.layers.emplace(oci::Digest::parse("sha256:" + name), layer);
    } catch (const Error& error) {
      logger().error("layer removed name={} reason={}", name, error.what());
      doomed.push_back((root_ / "layers" / name).string());
    }
  }
}

void ImageStore::load_state() {
  std::vector<std::string> doomed;
  state_.write([&](State& state) {
    load_layers(state, doomed);
    load_images("images", state.images);
    load_images("removed", state.removed);
    for (const std::string& name : names_in(root_ / "holds")) state.holds.emplace(name, read_text(root_ / "holds" / name));
    std::erase_if(state.images, [&state](const auto& item) {
      const bool whole = std::ranges::all_of(item.second.diff_ids, [&](const oci::Digest& id) { return state.layers.contains(id); });
      if (!whole) logger().error("image left out id={} reason=a layer is missing", item.first);
      return !whole;
    });
    for (const std::string& name : names_in(root_ / "parents")) {
      if (state.images.contains("sha256:" + name)) {
        state.parents.emplace("sha256:" + name, read_text(root_ / "parents" / name));
      } else {
        unlink_path(root_ / "parents" / name);
      }
    }
    std::erase_if(state.removed, [&](const auto& item) {
      const bool held = std::ranges::any_of(state.holds, [&](const auto& hold) { return hold.second == item.first; });
      if (!held) unlink_path(document_path("removed", item.first));
      return !held;
    });
    std::vector<oci::Digest> found;
    found.reserve(state.layers.size());
    for (const auto& [diff_id, layer] : state.layers) found.push_back(diff_id);
    drop_unused(state, found, doomed);
  });
  for (const std::string& path : doomed) try_remove_tree(path);
}

bool ImageStore::is_used(const State& state, const oci::Digest& diff_id) {
  const auto names_it = [&](const auto& item) { return std::ranges::find(item.second.diff_ids, diff_id) != item.second.diff_ids.end(); };
  return state.pins.contains(diff_id) || std::ranges::any_of(state.images, names_it) || std::ranges::any_of(state.removed, names_it);
}

/// Takes the layers that nobody needs out of sight. Their bytes are the caller's to delete once the lock is gone; if that is cut short, the
/// next start does it.
std::set<oci::Digest> ImageStore::drop_unused(State& state, const std::vector<oci::Digest>& candidates, std::vector<std::string>& doomed) {
  std::set<oci::Digest> dropped;
  for (const oci::Digest& diff_id : candidates) {
    if (!state.layers.contains(diff_id) || is_used(state, diff_id)) continue;
    doomed.push_back(new_staging_path());
    rename_path(layer_path(diff_id), doomed.back());
    state.layers.erase(diff_id);
    dropped.insert(diff_id);
  }
  return dropped;
}

StoredImage ImageStore::stored(const State& state, const Image& image) const {
  StoredImage result{oci::ImageDocument::parse(image.raw), {}, {}};
  const auto parent = state.parents.find(result.document.id().str());
  if (parent != state.parents.end()) result.parent = parent->second;
  for (const oci::Digest& diff_id : image.diff_ids) result.layer_sizes.push_back(state.layers.at(diff_id).size);
  return result;
}

void ImageStore::blocking_set_parent(const std::string& image_id, const std::string& parent) {
  state_.write([&](State& state) {
    write_file(document_path("parents", image_id), parent);
    state.parents.insert_or_assign(image_id, parent);
  });
}

oci::ImageDocument ImageStore::document(const std::string& image_id) const {
  return state_.read([&](const State& state) {
    const auto image = state.images.find(image_id);
    if (image == state.images.end()) throw Error::not_found("No such image: {}", image_id);
    return oci::ImageDocument::parse(image->second.raw);
  });
}

std::vector<StoredImage> ImageStore::blocking_list() const {
  return state_.read([this](const State& state) {
    std::vector<StoredImage> all;
    all.reserve(state.images.size());
    for (const auto& [id, image] : state.images) all.push_back(stored(state, image));
    return all;
  });
}

void ImageStore::write_file(const fs::path& path, std::string_view text) {
  const std::string staged = new_staging_path();
  try {
    const UniqueFd file = sockerless::blocking_open(staged, O_WRONLY | O_CREAT | O_EXCL, 0600);
    oci::blocking_write_all(file.get(), std::as_bytes(std::span(text)), "write " + path.string());
    if (::fsync(file.get()) != 0) throw from_errno(errno, "sync " + path.string());
    rename_path(staged, path);
  } catch (...) {
    ::unlink(staged.c_str());
    throw;
  }
  sync_directory(path.parent_path());
}

void ImageStore::place_layer(const std::string& staged, const oci::AppliedLayer& layer) {
  const UniqueFd size_file = sockerless::blocking_open(staged + "/size", O_WRONLY | O_CREAT | O_EXCL, 0600);
  const std::string size = fmt::format("{} {}", layer.size, layer.tar_bytes);
  oci::blocking_write_all(size_file.get(), std::as_bytes(std::span(size)), "write the layer's size");
  state_.write([&](State& state) {
    if (state.layers.contains(layer.diff_id)) return;  // somebody else was faster with the same layer
    rename_path(staged, layer_path(layer.diff_id));
    state.layers.emplace(layer.diff_id, Layer{static_cast<std::int64_t>(layer.size), layer.tar_bytes});
  });
}

void ImageStore::Addition::pin(const oci::Digest& diff_id) {
  if (pinned_.insert(diff_id).second) store_.state_.write([&](State& state) { ++state.pins[diff_id]; });
}

bool ImageStore::Addition::reuse_layer(const oci::Digest& diff_id) {
  pin(diff_id);
  return store_.state_.read([&](const State& state) { return state.layers.contains(diff_id); });
}

void ImageStore::Addition::pin_image(const std::string& image_id) {
  store_.state_.write([&](State& state) {
    const auto image = state.images.find(image_id);
    if (image == state.images.end()) throw Error::not_found("No such image: {}", image_id);
    for (const oci::Digest& diff_id : image->second.diff_ids) {
      if (pinned_.insert(diff_id).second) ++state.pins[diff_id];
    }
  });
}

bool ImageStore::Addition::pin_layer(const oci::Digest& diff_id) {
  return store_.state_.write([&](State& state) {
    if (!state.layers.contains(diff_id)) return false;
    if (pinned_.insert(diff_id).second) ++state.pins[diff_id];
    return true;
  });
}

ImageStore::AddedLayer ImageStore::Addition::blocking_add_layer(const oci::Blob& content, const std::optional<oci::Digest>& diff_id,
                                                                const std::optional<oci::Digest>& digest) {
  if (diff_id) {
    pin(*diff_id);
    if (store_.state_.read([&](const State& state) { return state.layers.contains(*diff_id); })) return {*diff_id, false};
  }
  const std::string staged = store_.new_staging_path();
  try {
    make_directory(staged, 0700);
    make_directory(staged + "/diff", 0755);
    oci::LayerOptions options;
    options.expected_diff_id = diff_id;
    options.max_bytes = oci::blocking_room_in(staged);
    options.max_entries = kMaxEntries;
    const UniqueFd split = sockerless::blocking_open(staged + "/tar-split", O_WRONLY | O_CREAT | O_EXCL, 0600);
    options.tar_split_file = split.get();
    const auto source = content.open();
    oci::HashingSource hashed(*source);
    const bool check = digest && digest != diff_id;  // an uncompressed layer's digest is its diff id
    const oci::AppliedLayer layer = oci::blocking_apply_layer(oci::RootedDir::blocking_open(staged + "/diff"),
                                                              check ? static_cast<oci::BlockingSource&>(hashed) : *source, options);
    if (check && hashed.blocking_finish() != *digest)
      throw Error::invalid_argument("the layer {} has other content than its digest says", digest->str());
    if (!layer.has_tar_split) unlink_path(staged + "/tar-split");
    pin(layer.diff_id);
    store_.place_layer(staged, layer);
    try_remove_tree(staged);  // still there when the store had the layer
    return {layer.diff_id, true};
  } catch (const Error& error) {
    try_remove_tree(staged);
    if (error.code() == ErrorCode::too_large) throw Error::internal("No space left on device: {}", error.message());
    throw;
  } catch (...) {
    try_remove_tree(staged);
    throw;
  }
}

std::vector<StoredImage> ImageStore::Addition::blocking_commit(const std::vector<oci::ImageDocument>& documents) {
  std::vector<std::string> fresh;
  try {
    return store_.state_.write([&](State& state) {
      std::vector<StoredImage> result;
      for (const oci::ImageDocument& document : documents) {
        const std::string id = document.id().str();
        Image image{document.raw, document.diff_ids};
        result.push_back(store_.stored(state, image));
        if (state.images.contains(id)) continue;
        fresh.push_back(id);
        store_.write_file(store_.document_path("images", id), document.raw);
        state.images.emplace(id, std::move(image));
      }
      return result;
    });
  } catch (...) {
    store_.state_.write([&](State& state) {
      for (const std::string& id : fresh) {
        ::unlink(store_.document_path("images", id).c_str());
        state.images.erase(id);
      }
    });
    throw;
  }
}

ImageStore::Addition::~Addition() {
  try {
    std::vector<std::string> doomed;
    store_.state_.write([&](State& state) {
      for (const oci::Digest& id : pinned_) {
        if (--state.pins[id] == 0) state.pins.erase(id);
      }
      store_.drop_unused(state, {pinned_.begin(), pinned_.end()}, doomed);
    });
    for (const std::string& path : doomed) try_remove_tree(path);
  } catch (const std::exception& error) {
    logger().warn("unused layers left behind reason={}", error.what());
  }
}

bool ImageStore::has_image(std::string_view image_id) const {
  return state_.read([&](const State& state) { return state.images.contains(image_id); });
}

StoredImage ImageStore::blocking_get(const std::string& image_id) const {
  return state_.read([&](const State& state) {
    const auto image = state.images.find(image_id);
    if (image == state.images.end()) throw Error::not_found("No such image: {}", image_id);
    return stored(state, image->second);
  });
}

std::vector<std::string> ImageStore::blocking_remove(const std::string& image_id) {
  std::vector<std::string> doomed;
  const auto gone_layers = state_.write([&](State& state) {
    const auto found = state.images.find(image_id);
    if (found == state.images.end()) throw Error::not_found("No such image: {}", image_id);
    Image image = found->second;
    const oci::ImageDocument document = oci::ImageDocument::parse(image.raw);
    const auto path = document_path("images", image_id);
    if (std::ranges::any_of(state.holds, [&](const auto& hold) { return hold.second == image_id; })) {
      rename_path(path, document_path("removed", image_id));
      state.removed.insert_or_assign(image_id, image);
    } else {
      unlink_path(path);
    }
    state.images.erase(found);
    if (state.parents.erase(image_id) > 0) unlink_path(document_path("parents", image_id));
    sync_directory(path.parent_path());
    const auto dropped = drop_unused(state, image.diff_ids, doomed);
    std::vector<std::string> gone;
    const auto chain = document.chain_ids();
    for (std::size_t i = chain.size(); i-- > 0;) {
      if (dropped.contains(image.diff_ids[i])) gone.push_back(chain[i].str());
    }
    return gone;
  });
  for (const std::string& doomed_path : doomed) try_remove_tree(doomed_path);
  return gone_layers;
}

void ImageStore::blocking_hold(const std::string& name, const std::string& image_id) {
  if (!is_file_name(name)) throw Error::invalid_argument("invalid name of a hold: {}", name);
  state_.write([&](State& state) {
    if (!state.images.contains(image_id) && !state.removed.contains(image_id)) throw Error::not_found("No such image: {}", image_id);
    write_file(root_ / "holds" / name, image_id);
    state.holds.insert_or_assign(name, image_id);
  });
}

void ImageStore::blocking_release(const std::string& name) {
  std::vector<std::string> doomed;
  state_.write([&](State& state) {
    const auto hold = state.holds.find(name);
    if (hold == state.holds.end()) return;
    const std::string image_id = hold->second;
    unlink_path(root_ / "holds" / name);
    state.holds.erase(hold);
    const auto image = state.removed.find(image_id);
    if (image == state.removed.end()) return;
    if (std::ranges::any_of(state.holds, [&](const auto& other) { return other.second == image_id; })) return;
    unlink_path(document_path("removed", image_id));
    const auto diff_ids = image->second.diff_ids;
    state.removed.erase(image);
    drop_unused(state, diff_ids, doomed);
  });
  for (const std::string& path : doomed) try_remove_tree(path);
}

std::vector<std::string> ImageStore::holds() const {
  return state_.read([](const State& state) {
    std::vector<std::string> names;
    names.reserve(state.holds.size());
    for (const auto& [name, image] : state.holds) names.push_back(name);
    return names;
  });
}

oci::SavedImage ImageStore::blocking_save(const std::string& image_id) const {
  return state_.read([&](const State& state) {
    const auto image = state.images.find(image_id);
    if (image == state.images.end()) throw Error::not_found("No such image: {}", image_id);
    oci::SavedImage saved{oci::ImageDocument::parse(image->second.raw), {}, {}};
    for (const oci::Digest& diff_id : image->second.diff_ids) {
      const fs::path path = layer_path(diff_id);
      if (!fs::exists(path / "tar-split")) {
        throw Error::not_implemented("the layer {} cannot be saved: its archive names a file twice, and only the last is kept",
                                     diff_id.str());
      }
      saved.layers.push_back({diff_id, state.layers.at(diff_id).tar_bytes, [path, diff_id] {
                                auto record =
                                    std::make_shared<UniqueFd>(sockerless::blocking_open((path / "tar-split").string(), O_RDONLY));
                                return oci::blocking_open_tar_split(oci::Blob::whole(std::move(record)),
                                                                    oci::RootedDir::blocking_open((path / "diff").string()), diff_id);
                              }});
    }
    return saved;
  });
}

std::vector<std::string> ImageStore::blocking_layer_folders(const std::string& image_id) {
  return state_.read([&](const State& state) {
    const auto image = state.images.find(image_id);
    const auto removed = state.removed.find(image_id);
    if (image == state.images.end() && removed == state.removed.end()) throw Error::not_found("No such image: {}", image_id);
    const auto& diff_ids = image != state.images.end() ? image->second.diff_ids : removed->second.diff_ids;
    std::vector<std::string> folders;
    std::set<oci::Digest> seen;
    for (std::size_t i = diff_ids.size(); i-- > 0;) {
      if (seen.insert(diff_ids[i]).second) folders.push_back((layer_path(diff_ids[i]) / "diff").string());
    }
    return folders;
  });
}

}  // namespace sockerless::local
