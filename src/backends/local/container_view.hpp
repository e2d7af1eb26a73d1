#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

// How the daemon looks at a container's files. Mounts for this are made in a mount namespace that exists only as a descriptor: it is
// entered by a thread that ends at once, holds nothing but the container's tree, and goes, with everything mounted in it, when the
// descriptor is closed, also when the daemon is killed. The host never sees any of it.

namespace sockerless::local {

/// A tree to be opened under (RootedDir), and what keeps its mounts there.
struct ContainerView {
  UniqueFd root;             ///< O_PATH
  UniqueFd mount_namespace;  ///< may be empty
};

/// The tree of a running container as its processes see it: volumes, tmpfs and all. May block. @errors from_errno.
ContainerView blocking_view_running(std::int64_t pid);

struct ViewMount {
  std::string source;
  std::string destination;
  bool read_only = false;
  bool copy_from_image = false;  ///< an empty source takes over what the image has there first
};

/// What a container that does not run is made of.
struct ViewPlan {
  std::vector<std::string> lower;  ///< the topmost first
  std::string upper;               ///< empty: to be seen without the writable layer
  std::string work;
  std::string mount_point;  ///< a folder
  /// Gives the mounts; may be empty. Called in the tree's mount namespace: what it mounts itself, for the sources to be there, goes with
  /// it.
  std::function<std::vector<ViewMount>()> mounts;
  bool writable = false;
};

/// Puts such a tree together. Where nothing is to be written, the writable layer is not mounted as one: unmounting that would cost a sync.
/// It is all the same when a mount has no place to go to yet. May block. @errors from_errno.
ContainerView blocking_view_stopped(const ViewPlan& plan);

}  // namespace sockerless::local
