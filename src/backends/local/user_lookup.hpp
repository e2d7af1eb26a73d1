#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sockerless::local {

/// Who a process runs as.
struct ContainerUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  ///< additional ones, in Docker's way: those /etc/group lists the user in
  std::string home = "/";
};

/// Reads "user", "uid", "user:group" in any mix of names and numbers against the container's own /etc/passwd and /etc/group, which are
/// opened inside its root whatever links they are. May block: it reads two files.
/// @param group_add  more groups, names or numbers (HostConfig.GroupAdd).
/// @errors invalid_argument in Docker's words: "unable to find user x: no matching entries in passwd file".
ContainerUser blocking_find_user(const std::string& root, const std::string& user, const std::vector<std::string>& group_add);

/// Reads a file of the container, at most `limit` bytes; empty when there is none. Links are followed inside `root` only.
std::string blocking_read_in_root(const std::string& root, const std::string& path, std::size_t limit);

}  // namespace sockerless::local
