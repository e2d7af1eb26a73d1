#pragma once

#include <vector>

#include "api/types.hpp"
#include "oci/rooted_dir.hpp"

namespace sockerless::local {

/// What a writable layer changes in what it lies on, as Docker tells it: 0 modified, 1 added, 2 deleted; a directory counts as modified
/// when anything in it is; what was only touched by a look and is as it was does not count. Sorted by path. May block. @errors from_errno.
/// @param upper  the layer in overlayfs form. @param lower  what is below it, merged.
std::vector<api::FilesystemChange> blocking_layer_changes(const oci::RootedDir& upper, const oci::RootedDir& lower);

}  // namespace sockerless::local
