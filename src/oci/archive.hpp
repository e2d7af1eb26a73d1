#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "oci/source.hpp"

// Image archives: what `docker save`, `podman save` and `skopeo copy` write.
//
// The members of an archive are never given names on this machine: a tar that lies in a file is its own directory, so an index of offsets
// is all it takes to find "blobs/sha256/..." or "<id>/layer.tar" in it. Nothing has to be made safe, and nothing to be cleaned up. A
// compressed archive is unpacked once into a nameless file. The links that docker writes for repeated layers are looked up in the index.

namespace sockerless::oci {

/// A layer in an archive, compressed or not.
struct ArchivedLayer {
  Blob content;
  Digest diff_id;                ///< what the configuration says it unpacks to
  std::optional<Digest> digest;  ///< of the bytes as they lie in the archive, where it names one
};

struct ArchivedImage {
  ImageDocument document;
  std::vector<ArchivedLayer> layers;    ///< lowest first, one for each diff id
  std::vector<std::string> references;  ///< names as the archive writes them: "busybox:latest", "docker.io/library/busybox:latest"
};

struct ArchiveOptions {
  Platform platform = Platform::host();               ///< which image of a multi-platform index
  std::uint64_t max_bytes = std::uint64_t{1} << 50U;  ///< of the archive once decompressed
};

/// Finds the images in a docker-archive (manifest.json) or an OCI layout (index.json); a file that is both is read as docker-archive, as
/// dockerd does. Digests of documents are checked here, those of layers where the layers are read.
///
/// @param spool_directory  where a compressed archive is unpacked to, nameless.
/// @errors invalid_argument: damaged or incomplete, in Docker's words; too_large; from_errno (a full disk).
std::vector<ArchivedImage> blocking_read_archive(const Blob& archive, const std::string& spool_directory,
                                                 const ArchiveOptions& options = {});

}  // namespace sockerless::oci
