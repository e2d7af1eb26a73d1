#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace sockerless::oci {

/// Removes what `name` is in the directory, a whole tree included, following no link and with a fixed number of descriptors however deep
/// the tree is. @return the bytes freed in files and links that had no other name. Nothing there is no error.
std::uint64_t blocking_remove_tree(int directory, const std::string& name);

/// A directory that foreign names are opened under: links in it, absolute or climbing, resolve as if it were the root (openat2(2) with
/// RESOLVE_IN_ROOT), so that nothing outside can be reached.
class RootedDir {
 public:
  explicit RootedDir(UniqueFd directory) : directory_(std::move(directory)) {}
  /// @errors not_found, from_errno.
  static RootedDir blocking_open(std::string_view path);

  int fd() const { return directory_.get(); }
  /// Opens `path` ("a/b", "." for the root itself) with these open(2) flags. @return an empty descriptor with errno set when that fails.
  UniqueFd open(const std::string& path, int flags, unsigned mode = 0) const;
  /// Opens a directory to work in, making the missing ones on the way with mode 0755. @errors from_errno with the path.
  UniqueFd blocking_open_directory(const std::string& path) const;

 private:
  UniqueFd directory_;
};

/// An absolute path with every link in it followed as if the directory were the root; what does not exist is taken as it is named. The
/// result is absolute, cleaned, and without links at that moment. @errors invalid_argument: "too many links in /path".
std::string blocking_follow_links(const RootedDir& root, const std::string& path);

}  // namespace sockerless::oci
