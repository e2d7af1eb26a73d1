#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "oci/digest.hpp"
#include "oci/rooted_dir.hpp"
#include "oci/source.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

/// At most this many bytes unpacked, and members: what an archive may claim is not believed, what it really holds counts.
struct UnpackLimits {
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_entries = std::numeric_limits<std::uint64_t>::max();
};

struct LayerOptions : UnpackLimits {
  /// When set, the layer must have this diff id.
  std::optional<Digest> expected_diff_id;
  /// A descriptor to write the record to that gives the tar back (tar_split.hpp); -1: none is wanted.
  int tar_split_file = -1;
};

/// Where and how a plain tar is unpacked.
struct UnpackOptions : UnpackLimits {
  struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
  };
  /// The directory below the root that names are taken relative to, without links in it ("a/b"); ".": the root. Links that are met on the
  /// way resolve from the root.
  std::string folder = ".";
  /// Refuse a directory in the place of something else, and the other way round, where else the new takes the old one's place.
  bool keep_kinds = false;
  /// Takes symlinks that climb above the root, as they stand. Nothing that is unpacked follows them out.
  bool climbing_symlinks = false;
  LastPadding last_padding = LastPadding::needed;
  /// Everything belongs to this one, whatever the archive says.
  std::optional<Owner> owner;
};

struct AppliedLayer {
  Digest diff_id;               ///< SHA-256 of the uncompressed tar, its last padding byte included
  std::uint64_t tar_bytes = 0;  ///< its length
  std::uint64_t size = 0;       ///< bytes of files and links unpacked: what Docker calls the layer's size
  bool has_tar_split = false;   ///< the record is whole: it is not when the tar writes a name twice
};

/// Unpacks a layer's tar, compressed or not, into a directory, with owners, modes, times, extended attributes, links, devices and holes.
/// Deletions ("whiteouts") are written as overlayfs reads them: a character device 0/0, and trusted.overlay.opaque on a directory.
///
/// Nothing outside the directory is ever written: an absolute name is taken relative to it and links resolve within it. A name, a hard link
/// or a symlink that climbs out by ".." is refused. What the layer wrote before an error stays: unpack into a staging directory.
/// Attributes of overlayfs itself (trusted.overlay.*) in an archive are dropped, all others but user.* and security.capability too.
///
/// @errors invalid_argument: damaged or hostile archive, wrong diff id; too_large: over a limit; else from_errno (a full disk).
/// Threads: any, one at a time for a directory. Needs root for owners and devices.
/// Source: OCI image-spec v1.1, layer.md; kernel Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
AppliedLayer blocking_apply_layer(const RootedDir& root, BlockingSource& source, const LayerOptions& options = {});

/// Unpacks a plain tar the same way (PUT /containers/{id}/archive): whiteout names mean nothing, they are files; a member that is the
/// folder itself changes nothing. @errors also invalid_argument: "cannot overwrite directory ...".
void blocking_unpack_tar(const RootedDir& root, BlockingSource& source, const UnpackOptions& options = {});

}  // namespace sockerless::oci
