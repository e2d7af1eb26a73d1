#include "backends/local/volume_mounts.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <system_error>

#include <arpa/inet.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Logger log("local");

constexpr const char* kOptionsName = "options.json";
constexpr const char* kUsersName = "users";

struct MountFlag {
  std::string_view name;
  bool clears;
  unsigned long flag;
};
constexpr std::array kMountFlags{MountFlag{"defaults", false, 0},
                                 MountFlag{"ro", false, MS_RDONLY},
                                 MountFlag{"rw", true, MS_RDONLY},
                                 MountFlag{"suid", true, MS_NOSUID},
                                 MountFlag{"nosuid", false, MS_NOSUID},
                                 MountFlag{"dev", true, MS_NODEV},
                                 MountFlag{"nodev", false, MS_NODEV},
                                 MountFlag{"exec", true, MS_NOEXEC},
                                 MountFlag{"noexec", false, MS_NOEXEC},
                                 MountFlag{"sync", false, MS_SYNCHRONOUS},
                                 MountFlag{"async", true, MS_SYNCHRONOUS},
                                 MountFlag{"dirsync", false, MS_DIRSYNC},
                                 MountFlag{"remount", false, MS_REMOUNT},
                                 MountFlag{"mand", false, MS_MANDLOCK},
                                 MountFlag{"nomand", true, MS_MANDLOCK},
                                 MountFlag{"atime", true, MS_NOATIME},
                                 MountFlag{"noatime", false, MS_NOATIME},
                                 MountFlag{"diratime", true, MS_NODIRATIME},
                                 MountFlag{"nodiratime", false, MS_NODIRATIME},
                                 MountFlag{"bind", false, MS_BIND},
                                 MountFlag{"rbind", false, MS_BIND | MS_REC},
                                 MountFlag{"unbindable", false, MS_UNBINDABLE},
                                 MountFlag{"runbindable", false, MS_UNBINDABLE | MS_REC},
                                 MountFlag{"private", false, MS_PRIVATE},
                                 MountFlag{"rprivate", false, MS_PRIVATE | MS_REC},
                                 MountFlag{"shared", false, MS_SHARED},
                                 MountFlag{"rshared", false, MS_SHARED | MS_REC},
                                 MountFlag{"slave", false, MS_SLAVE},
                                 MountFlag{"rslave", false, MS_SLAVE | MS_REC},
                                 MountFlag{"relatime", false, MS_RELATIME},
                                 MountFlag{"norelatime", true, MS_RELATIME},
                                 MountFlag{"strictatime", false, MS_STRICTATIME},
                                 MountFlag{"nostrictatime", true, MS_STRICTATIME}};

std::string option_of(const VolumeOptions& options, const std::string& name) {
  const auto it = options.find(name);
  return it == options.end() ? std::string() : it->second;
}

/// True for the root of a mount, also of a bind of the same file system.
bool is_mounted(const std::string& path) {
  struct statx status{};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &status) != 0) return false;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// One mount(2), its failure in the words of Docker.
void mount_or_throw(std::string_view doing, const std::string& source, const std::string& target, const std::string& type,
                    unsigned long flags, const std::string& data) {
  if (::mount(source.c_str(), target.c_str(), type.c_str(), flags, data.empty() ? nullptr : data.c_str()) == 0) return;
  std::string reason = std::generic_category().message(errno);
  reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  std::string text = fmt::format("{} {}{}{}", doing, source, source.empty() ? "" : ":", target);
  if (flags != 0) text += fmt::format(", flags: {:#x}", flags);
  if (!data.empty()) text += ", data: " + data;
  throw Error::internal("error while mounting volume '{}': failed to mount local volume: {}: {}", target, text, reason);
}

/// The kernel's NFS and CIFS clients want an address where people write a name.
std::string with_resolved_address(std::string options) {
  constexpr std::string_view kKey = "addr=";
  std::size_t at = options.starts_with(kKey) ? 0 : options.find(",addr=");
  if (at == std::string::npos) return options;
  at = options.find('=', at) + 1;
  const std::string name = options.substr(at, options.find(',', at) - at);
  in6_addr parsed{};
  if (name.empty() || ::inet_pton(AF_INET, name.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, name.c_str(), &parsed) == 1) return options;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = ::getaddrinfo(name.c_str(), nullptr, &hints, &found); failure != 0)
    throw Error::internal("error resolving passed in network volume address: lookup {}: {}", name, ::gai_strerror(failure));
  std::array<char, NI_MAXHOST> address{};
  const int failure = ::getnameinfo(found->ai_addr, found->ai_addrlen, address.data(), address.size(), nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  if (failure != 0) throw Error::internal("error resolving passed in network volume address: {}", ::gai_strerror(failure));
  return options.replace(at, name.size(), address.data());
}

void mount_volume(const std::string& target, const VolumeOptions& options) {
  constexpr unsigned long kPropagation = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
  constexpr unsigned long kReadOnlyBind = MS_BIND | MS_RDONLY;
  const std::string type = option_of(options, "type");
  std::string text = option_of(options, "o");
  if (type == "nfs" || type == "nfs4" || type == "cifs") text = with_resolved_address(std::move(text));
  const ParsedMountOptions parsed = parse_mount_options(text);
  const unsigned long flags = parsed.flags & ~kPropagation;
  mount_or_throw("mount", option_of(options, "device"), target, type, flags, parsed.data);
  try {
    if ((parsed.flags & kPropagation) != 0)
      mount_or_throw("remount", "", target, "", parsed.flags & (kPropagation | MS_REC | MS_SILENT), "");
    if ((flags & kReadOnlyBind) == kReadOnlyBind) mount_or_throw("remount-ro", "", target, "", flags | MS_REMOUNT, "");
  } catch (const Error&) {
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    throw;
  }
}

}  // namespace

void check_volume_options(const VolumeOptions& options) {
  static const std::map<std::string, std::vector<std::string>> kKnown = {
      {"device", {"type"}}, {"type", {"device"}}, {"o", {"device", "type"}}, {"size", {}}};
  for (const auto& [name, value] : options) {
    if (!kKnown.contains(name)) throw Error::invalid_argument("invalid option: \"{}\"", name);
  }
  for (const auto& [name, needed] : kKnown) {
    if (!options.contains(name)) continue;
    for (const auto& other : needed) {
      if (!options.contains(other)) throw Error::invalid_argument("missing required option: \"{}\"", other);
    }
  }
  if (options.contains("size")) throw Error::invalid_argument("quota size requested but no quota support");
}

ParsedMountOptions parse_mount_options(std::string_view text) {
  ParsedMountOptions result;
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find(','));
    text.remove_prefix(std::min(option.size() + 1, text.size()));
    if (option.empty()) continue;
    const auto* known = std::ranges::find(kMountFlags, option, &MountFlag::name);
    if (known == kMountFlags.end()) {
      if (!result.data.empty()) result.data += ',';
      result.data += option;
    } else if (known->clears) {
      result.flags &= ~known->flag;
    } else {
      result.flags |= known->flag;
    }
  }
  return result;
}

void blocking_store_volume_options(const std::string& folder, const VolumeOptions& options) {
  const std::string path = folder + "/" + kOptionsName;
  if (options.empty()) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw from_errno(errno, "remove " + path);
    return;
  }
  json::object document;
  for (const auto& [name, value] : options) document[name] = value;
  const std::string draft = path + ".new";
  std::ofstream file(draft, std::ios::trunc);
  file << json::serialize(document) << '\n';
  file.close();
  if (!file || ::fsync(blocking_open(draft, O_RDONLY).get()) != 0)
    throw Error::unavailable("cannot write the options of the volume {}: is the disk full?", folder);
  if (::rename(draft.c_str(), path.c_str()) != 0) throw from_errno(errno, "rename " + draft);
}

VolumeOptions blocking_volume_options(const std::string& folder) {
  std::ifstream file(folder + "/" + kOptionsName);
  if (!file) return {};
  std::ostringstream text;
  text << file.rdbuf();
  boost::system::error_code error;
  const json::value document = json::parse(text.str(), error);
  if (error || !document.is_object()) throw Error::internal("the options of the volume {} are damaged", folder);
  VolumeOptions options;
  for (const auto& [name, value] : document.as_object()) {
    if (value.is_string()) options[name] = value.as_string();
  }
  return options;
}

void blocking_mount_volume(const std::string& folder) {
  const VolumeOptions options = blocking_volume_options(folder);
  if (!options.empty() && !is_mounted(folder + "/_data")) mount_volume(folder + "/_data", options);
}

Task<bool> has_volumes_with_options(BlockingPool& pool, std::string directory, std::vector<MountSpec> mounts) {
  std::erase_if(mounts, [](const MountSpec& mount) { return mount.kind != MountSpec::Kind::volume || mount.volume_name.empty(); });
  if (mounts.empty()) co_return false;
  co_return co_await run_blocking(pool, [&] {
    return std::ranges::any_of(mounts, [&](const MountSpec& mount) {
      std::error_code error;
      return fs::exists(fmt::format("{}/{}/{}", directory, mount.volume_name, kOptionsName), error);
    });
  });
}

void blocking_unmount_volume(const std::string& folder) {
  const std::string target = folder + "/_data";
  while (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {}
  if (errno != EINVAL && errno != ENOENT && errno != EPERM) throw from_errno(errno, "unmount " + target);
  if (is_mounted(target)) throw Error::internal("the volume's directory {} is still mounted", target);
}

std::shared_ptr<std::mutex> VolumeMounts::turn_of(const std::string& name) {
  return turns_.write([&](auto& turns) {
    auto& turn = turns[name];
    if (!turn) turn = std::make_shared<std::mutex>();
    return turn;
  });
}

void VolumeMounts::mount_one(const ContainerId& id, const std::string& name) {
  const std::string folder = directory_ + "/" + name;
  const VolumeOptions options = blocking_volume_options(folder);
  if (options.empty()) return;
  users_.write([&](auto& users) { users[id.str()].insert(name); });
  const auto turn = turn_of(name);
  const std::scoped_lock lock(*turn);
  fs::create_directories(folder + "/" + kUsersName);
  std::ofstream user(folder + "/" + kUsersName + "/" + id.str());
  if (!user) throw Error::unavailable("cannot write in the volume's directory {}: is the disk full?", folder);
  if (!is_mounted(folder + "/_data")) mount_volume(folder + "/_data", options);
}

bool VolumeMounts::is_user(const ContainerId& id) const {
  return users_.read([&](const auto& users) { return users.contains(id.str()); });
}

void VolumeMounts::blocking_use(const WorkloadSpec& spec) {
  try {
    for (const auto& mount : spec.mounts) {
      if (mount.kind == MountSpec::Kind::volume && !mount.volume_name.empty()) mount_one(spec.id, mount.volume_name);
    }
  } catch (...) {
    const Error error = current_error();
    blocking_release(spec.id);
    throw Error(error);
  }
}

/// Takes users out of a volume, and unmounts it when nobody is left.
void VolumeMounts::forget_users(const std::string& name, const std::function<bool(const std::string& user)>& is_gone) {
  const auto turn = turn_of(name);
  const std::scoped_lock lock(*turn);
  const std::string folder = directory_ + "/" + name;
  std::error_code error;
  std::vector<fs::path> gone;
  bool is_used = false;
  for (const auto& user : fs::directory_iterator(folder + "/" + kUsersName, error)) {
    if (is_gone(user.path().filename())) {
      gone.push_back(user.path());
    } else {
      is_used = true;
    }
  }
  for (const auto& user : gone) fs::remove(user, error);
  if (is_used || gone.empty()) return;
  try {
    blocking_unmount_volume(folder);
  } catch (const Error& failure) {
    log.warn("a volume is not unmounted folder={} error={}", folder, failure.what());
  }
}

void VolumeMounts::blocking_release(const ContainerId& id) {
  const auto names = users_.write([&](auto& users) {
    const auto it = users.find(id.str());
    return it == users.end() ? std::set<std::string>() : std::move(users.extract(it).mapped());
  });
  for (const auto& name : names) forget_users(name, [&id](const std::string& user) { return user == id.str(); });
}

void VolumeMounts::blocking_restore(const std::vector<ContainerId>& running) {
  std::set<std::string> ids;
  for (const auto& id : running) ids.insert(id.str());
  std::error_code error;
  for (const auto& volume : fs::directory_iterator(directory_, error)) {
    const std::string name = volume.path().filename();
    const std::string folder = volume.path().string() + "/" + kUsersName;
    if (!fs::is_directory(folder, error)) continue;
    forget_users(name, [&ids](const std::string& user) { return !ids.contains(user); });
    for (const auto& user : fs::directory_iterator(folder, error)) {
      users_.write([&](auto& users) { users[user.path().filename()].insert(name); });
    }
  }
}

}  // namespace sockerless::local
