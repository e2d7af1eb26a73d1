#include "backends/local/user_lookup.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kMaxDatabase = 4UL * 1024 * 1024;
constexpr std::uint32_t kMaxId = 0x7fffffff;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint32_t> find_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || value > kMaxId) return std::nullopt;
  return value;
}

struct PasswdEntry {
  std::string_view name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string_view home;
};

std::optional<PasswdEntry> find_passwd(std::string_view database, std::string_view user, std::optional<std::uint32_t> uid) {
  for (const std::string_view line : split(database, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4 || line.starts_with('#')) continue;
    const auto entry_uid = find_number(fields[2]);
    const auto entry_gid = find_number(fields[3]);
    if (!entry_uid || !entry_gid) continue;
    if (fields[0] == user || (uid && *entry_uid == *uid)) {
      return PasswdEntry{fields[0], *entry_uid, *entry_gid, fields.size() > 5 ? fields[5] : std::string_view()};
    }
  }
  return std::nullopt;
}

struct GroupEntry {
  std::string_view name;
  std::uint32_t gid = 0;
  std::vector<std::string_view> members;
};

std::vector<GroupEntry> parse_groups(std::string_view database) {
  std::vector<GroupEntry> groups;
  for (const std::string_view line : split(database, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 3 || line.starts_with('#')) continue;
    const auto gid = find_number(fields[2]);
    if (!gid) continue;
    groups.push_back({fields[0], *gid, fields.size() > 3 ? split(fields[3], ',') : std::vector<std::string_view>()});
  }
  return groups;
}

std::uint32_t get_gid(const std::vector<GroupEntry>& groups, std::string_view text) {
  const auto number = find_number(text);
  for (const auto& group : groups) {
    if (group.name == text || (number && group.gid == *number)) return group.gid;
  }
  if (number) return *number;
  throw Error::invalid_argument("unable to find group {}: no matching entries in group file", text);
}

}  // namespace

std::string blocking_read_in_root(const std::string& root, const std::string& path, std::size_t limit) {
  const UniqueFd root_fd = blocking_open(root, O_PATH | O_DIRECTORY);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string relative = path.substr(std::min(path.find_first_not_of('/'), path.size()));
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_fd.get(), relative.c_str(), &how, sizeof(how))));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
    throw from_errno(errno, "open " + path + " in the container");
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text;
  text.resize(std::min<std::size_t>(limit, static_cast<std::size_t>(status.st_size)));
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t count = ::read(fd.get(), text.data() + have, text.size() - have);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "read " + path + " in the container");
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  text.resize(have);
  return text;
}

ContainerUser blocking_find_user(const std::string& root, const std::string& user, const std::vector<std::string>& group_add) {
  ContainerUser result;
  const std::string passwd = blocking_read_in_root(root, "/etc/passwd", kMaxDatabase);
  const std::string group = blocking_read_in_root(root, "/etc/group", kMaxDatabase);
  const auto groups = parse_groups(group);
  const auto parts = split(user, ':');
  const std::string_view user_part = parts[0];
  const std::string_view group_part = parts.size() > 1 ? parts[1] : std::string_view();

  const auto uid = user_part.empty() ? std::optional<std::uint32_t>(0) : find_number(user_part);
  const auto entry = find_passwd(passwd, user_part, uid);
  if (entry) {
    result.uid = entry->uid;
    result.gid = entry->gid;
    if (!entry->home.empty()) result.home = entry->home;
  } else if (uid) {
    result.uid = *uid;
  } else {
    throw Error::invalid_argument("unable to find user {}: no matching entries in passwd file", user_part);
  }
  if (!group_part.empty()) {
    result.gid = get_gid(groups, group_part);
  } else if (entry) {
    for (const auto& one : groups) {
      if (one.gid != result.gid && std::ranges::find(one.members, entry->name) != one.members.end()) result.groups.push_back(one.gid);
    }
  }
  for (const auto& name : group_add) result.groups.push_back(get_gid(groups, name));
  return result;
}

}  // namespace sockerless::local
