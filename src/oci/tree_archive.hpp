#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "oci/rooted_dir.hpp"
#include "oci/source.hpp"

namespace sockerless::oci {

struct TreeArchiveOptions {
  /// What to pack, below the root and without links in it ("a/b"); ".": the root.
  std::string path = ".";
  /// The name it gets in the archive; what is in it follows as "name/...". Empty stands for the root: "/", "/bin".
  std::string name;
  /// Only what is in the directory, by bare names ("bin/", "bin/ls"); `name` then means nothing.
  bool contents_only = false;
  /// The tree is a writable layer of overlayfs: its whiteouts and opaque directories are written as a layer's tar has them.
  bool is_overlay_layer = false;
};

/// Packs a file or a tree as a tar while it is read: owners, modes, times (whole seconds), hard links, devices, user.* attributes and
/// capabilities. Links are packed, never followed. What is in kernel file systems (proc, sysfs, devpts, ...) mounted below is left out.
///
/// The tree may be changed, by anybody and with bad intentions, while it is packed: nothing outside of the root is read, a file that got
/// shorter is filled up with zeros, what vanished is left out, nothing but regular files is ever opened for reading.
/// @errors from_errno. Memory: the names of the directories on the way, and one entry a file with several names.
std::unique_ptr<BlockingSource> make_tree_archive(RootedDir root, TreeArchiveOptions options);

}  // namespace sockerless::oci
