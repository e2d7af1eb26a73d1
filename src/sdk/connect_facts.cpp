#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "sockerless/diagnosis.hpp"
#include "sockerless/endpoint.hpp"

namespace sockerless {

namespace {

using Principal = ConnectFacts::Principal;

constexpr int kMaxLinks = 8;

Principal user_of(uid_t id) {
  std::vector<char> buffer(16UL * 1024);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found);
  return {.id = id, .name = found == nullptr ? "" : found->pw_name};
}

Principal group_of(gid_t id) {
  std::vector<char> buffer(64UL * 1024);
  group entry{};
  group* found = nullptr;
  ::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found);
  return {.id = id, .name = found == nullptr ? "" : found->gr_name};
}

std::vector<gid_t> groups_of_process() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  groups.push_back(::getegid());
  return groups;
}

/// What a login would give the user now: the primary group and every group that names the user.
std::vector<gid_t> groups_of_database(const Principal& user) {
  std::vector<char> buffer(16UL * 1024);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(user.id, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return {};
  std::vector<gid_t> groups(256);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count);
  }
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return groups;
}

std::string text_of(const HostEnvironment& environment, const std::string& path) {
  std::string text = environment.read_file(path).value_or("");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0' || text.back() == ' ')) text.pop_back();
  return text;
}

/// CAP_DAC_OVERRIDE among the effective ones: file permissions do not count.
bool has_dac_override(const HostEnvironment& environment) {
  const std::string status = text_of(environment, "/proc/self/status");
  constexpr std::string_view kField = "\nCapEff:\t";
  const std::size_t at = status.find(kField);
  if (at == std::string::npos) return false;
  std::uint64_t capabilities = 0;
  std::from_chars(status.data() + at + kField.size(), status.data() + status.size(), capabilities, 16);
  return (capabilities >> CAP_DAC_OVERRIDE & 1U) != 0;
}

bool is_in_container(const HostEnvironment& environment) {
  if (environment.kind_of("/.dockerenv") || environment.kind_of("/run/.containerenv")) return true;
  const std::string groups = text_of(environment, "/proc/1/cgroup");
  return groups.contains("/docker") || groups.contains("/kubepods") || groups.contains("/lxc/") ||
         environment.variable("container").has_value();
}

/// The initial namespace maps all ids to themselves.
bool is_in_user_namespace(const HostEnvironment& environment) {
  const std::string map = text_of(environment, "/proc/self/uid_map");
  return !map.empty() && !map.contains("4294967295");
}

/// The name of the profile that confines this process, if one does: "docker-default (enforce)".
std::string enforced_apparmor_profile(const HostEnvironment& environment) {
  constexpr std::string_view kEnforced = " (enforce)";
  std::string profile = text_of(environment, "/proc/self/attr/apparmor/current");
  if (profile.empty()) profile = text_of(environment, "/proc/self/attr/current");
  if (!profile.ends_with(kEnforced)) return {};
  profile.resize(profile.size() - kEnforced.size());
  return profile;
}

/// The first directory on the way to `path` that this process may not pass.
std::optional<ConnectFacts::Barrier> find_barrier(const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    struct stat status{};
    if (::stat(directory.c_str(), &status) != 0) return std::nullopt;
    if (::faccessat(AT_FDCWD, directory.c_str(), X_OK, AT_EACCESS) == 0 || errno != EACCES) continue;
    return ConnectFacts::Barrier{
        .path = directory, .owner = user_of(status.st_uid), .group = group_of(status.st_gid), .mode = status.st_mode & 07777U};
  }
  return std::nullopt;
}

std::optional<std::string> link_target_of(const std::string& path) {
  std::array<char, 4096> buffer;
  const ssize_t length = ::readlink(path.c_str(), buffer.data(), buffer.size());
  if (length < 0) return std::nullopt;
  std::string target(buffer.data(), static_cast<std::size_t>(length));
  if (!target.starts_with('/')) target = path.substr(0, path.rfind('/') + 1) + target;
  return target;
}

/// Follows the links at the path's end, since a directory may also bar the way behind a link.
void look_at_path(ConnectFacts& facts) {
  std::string path = facts.path;
  for (int links = 0; links < kMaxLinks; ++links) {
    facts.barrier = find_barrier(path);
    if (facts.barrier) return;
    const auto target = link_target_of(path);
    if (!target) break;
    facts.link_target = *target;
    path = *target;
  }
  struct stat status{};
  if (::stat(facts.path.c_str(), &status) != 0) return;
  facts.exists = true;
  facts.is_socket = S_ISSOCK(status.st_mode);
  facts.owner = user_of(status.st_uid);
  facts.group = group_of(status.st_gid);
  facts.mode = status.st_mode & 07777U;
  facts.has_acl = ::getxattr(facts.path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

bool answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

ConnectFacts blocking_gather_connect_facts(const std::string& path, int error_number, EndpointSource source, const std::string& context,
                                           const HostEnvironment& environment) {
  ConnectFacts facts;
  facts.path = path;
  facts.error_number = error_number;
  facts.source = source;
  facts.context = context;
  look_at_path(facts);
  facts.user = user_of(::geteuid());
  facts.process_groups = groups_of_process();
  facts.database_groups = groups_of_database(facts.user);
  facts.overrides_permissions = has_dac_override(environment);
  facts.in_container = is_in_container(environment);
  facts.in_user_namespace = is_in_user_namespace(environment);
  facts.selinux_enforcing = text_of(environment, "/sys/fs/selinux/enforce") == "1";
  facts.apparmor_profile = enforced_apparmor_profile(environment);
  std::vector<std::string> others = usual_sockets(environment);
  others.emplace_back(kDefaultDockerSocket);
  for (const std::string& other : others) {
    if (other != path && answers(other)) facts.answering_sockets.push_back(other);
  }
  return facts;
}

}  // namespace sockerless
