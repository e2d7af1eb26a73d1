#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "oci/source.hpp"

namespace sockerless::oci {

/// A layer to be written: its tar, uncompressed.
struct SavedLayer {
  Digest diff_id;
  std::uint64_t tar_bytes = 0;
  std::function<std::unique_ptr<BlockingSource>()> open;  ///< called once, when its turn comes
};

struct SavedImage {
  ImageDocument document;
  std::vector<SavedLayer> layers;       ///< lowest first, one for each diff id
  std::vector<std::string> references;  ///< familiar, with tag: "busybox:latest"
};

/// The archive of `docker save`: an OCI layout with a manifest.json, which dockerd of any version, podman and skopeo read. A layer that
/// several images share is written once. Nothing is made before it is read.
std::unique_ptr<BlockingSource> make_saved_archive(std::vector<SavedImage> images);

}  // namespace sockerless::oci
