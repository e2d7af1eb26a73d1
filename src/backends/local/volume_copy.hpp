#pragma once

#include <string>

namespace sockerless::local {

/// Fills an empty volume with what the image has at `path`: owners, modes, times, extended attributes and links included. Links in `path`
/// are followed inside `root` only, links below it are copied as links. A volume that holds anything is left alone. May block.
void blocking_copy_up(const std::string& root, const std::string& path, const std::string& volume);

/// Makes the container's working directory where the image has none, inside `root` whatever links are in the path. May block.
void blocking_make_folder_in_root(const std::string& root, const std::string& path);

}  // namespace sockerless::local
