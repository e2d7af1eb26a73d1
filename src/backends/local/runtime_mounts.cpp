#include "backends/local/runtime_mounts.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "backends/local/runtime_config.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace json = boost::json;

namespace {

constexpr std::int64_t kDefaultShmSize = 64L * 1024 * 1024;

struct Mount {
  std::string destination;
  std::string type;
  std::string source;
  std::vector<std::string> options;
};

std::string clean(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::vector<Mount> default_mounts(const OciSettings& settings) {
  const bool writable = settings.privileged;
  std::vector<Mount> mounts = {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", writable ? "rw" : "ro"}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", writable ? "rw" : "ro"}},
  };
  if (settings.ipc.kind == NamespaceChoice::Kind::host) {
    mounts.push_back({"/dev/mqueue", "bind", "/dev/mqueue", {"rbind", "rprivate"}});
    mounts.push_back({"/dev/shm", "bind", "/dev/shm", {"rbind", "rprivate"}});
    std::error_code error;
    std::erase_if(mounts, [&](const Mount& mount) { return mount.type == "bind" && !std::filesystem::exists(mount.source, error); });
  } else {
    mounts.push_back({"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}});
    if (!settings.shm_source.empty()) {
      mounts.push_back({"/dev/shm", "bind", settings.shm_source, {"rbind", "rprivate"}});
    } else if (!settings.ipc_none) {
      const std::int64_t size = settings.shm_size > 0 ? settings.shm_size : kDefaultShmSize;
      mounts.push_back({"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", size)}});
    }
  }
  return mounts;
}

Mount user_mount(const OciMount& mount, const OciHost& host) {
  if (mount.kind == OciMount::Kind::tmpfs) {
    Mount result{clean(mount.destination), "tmpfs", "tmpfs", merge_tmpfs_options(mount.tmpfs_options)};
    if (mount.read_only) result.options.emplace_back("ro");
    return result;
  }
  Mount result{clean(mount.destination), "bind", mount.source, {mount.recursive ? "rbind" : "bind"}};
  result.options.push_back(mount.propagation.empty() ? "rprivate" : mount.propagation);
  if (mount.read_only && mount.force_read_only_below && !host.has_recursive_read_only)
    throw Error::invalid_argument("failed to set up a recursive read-only mount at {}: the kernel is older than 5.12", mount.destination);
  const bool below = mount.read_only_below && mount.recursive && host.has_recursive_read_only;
  if (mount.read_only) result.options.emplace_back(below ? "rro" : "ro");
  return result;
}

std::vector<Mount> file_mounts(const OciSettings& settings) {
  std::vector<Mount> mounts;
  if (settings.directory.empty()) return mounts;
  for (const char* name : {"resolv.conf", "hostname", "hosts"}) {
    Mount mount{std::string("/etc/") + name, "bind", settings.directory + "/" + name, {"rbind", "rprivate"}};
    if (settings.read_only_root) mount.options.emplace_back("ro");
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace

json::array make_mounts(const OciSettings& settings, const OciHost& host) {
  std::multimap<std::ptrdiff_t, Mount> own;  // by depth; of one depth in the order given
  std::set<std::string> taken;
  const auto add = [&own](Mount mount) { own.emplace(std::ranges::count(mount.destination, '/'), std::move(mount)); };
  for (const auto& one : settings.mounts) {
    Mount mount = user_mount(one, host);
    taken.insert(mount.destination);
    add(std::move(mount));
  }
  // The user's mount takes the place of one of ours; what it covers is mounted over it: /etc/hosts on a volume at /etc.
  const auto is_taken = [&taken](const Mount& mount) {
    return taken.contains(mount.destination) || (taken.contains("/dev") && mount.destination.starts_with("/dev/"));
  };

  std::vector<Mount> all;
  auto given = default_mounts(settings);
  if (settings.init) given.push_back({std::string(kInitDestination), "bind", host.init_path, {"bind", "ro"}});
  for (auto& mount : given) {
    if (!is_taken(mount)) all.push_back(std::move(mount));
  }
  for (auto& mount : file_mounts(settings)) {
    if (!is_taken(mount)) add(std::move(mount));
  }
  for (auto& [depth, mount] : own) all.push_back(std::move(mount));

  json::array result;
  for (const auto& mount : all) {
    result.push_back(json::object{{"destination", mount.destination},
                                  {"type", mount.type},
                                  {"source", mount.source},
                                  {"options", json::array(mount.options.begin(), mount.options.end())}});
  }
  return result;
}

std::string root_propagation(const std::vector<OciMount>& mounts) {
  std::string result;
  for (const auto& mount : mounts) {
    if (mount.propagation == "shared" || mount.propagation == "rshared") return "shared";
    if (mount.propagation == "slave" || mount.propagation == "rslave") result = "rslave";
  }
  return result;
}

std::vector<std::string> merge_tmpfs_options(std::string_view options) {
  static const std::set<std::string, std::less<>> kFlags = {
      "rw",       "ro",       "exec",       "noexec",   "suid",       "nosuid",      "dev",           "nodev", "atime",
      "noatime",  "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "sync",  "async",
      "defaults", "private",  "rprivate",   "slave",    "rslave",     "shared",      "rshared"};
  static const std::set<std::string, std::less<>> kKeys = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"};
  std::vector<std::string> result = {"noexec", "nosuid", "nodev"};
  const auto contrary = [](const std::string& option) {
    if (option == "ro") return std::string("rw");
    if (option == "rw") return std::string("ro");
    return option.starts_with("no") ? option.substr(2) : "no" + option;
  };
  std::istringstream parts{std::string(options)};
  for (std::string option; std::getline(parts, option, ',');) {
    if (option.empty() || option == "defaults") continue;
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos ? !kFlags.contains(option) : !kKeys.contains(option.substr(0, equals))) {
      throw Error::invalid_argument("invalid tmpfs option [\"{}\"]", option);
    }
    std::erase_if(result, [&](const std::string& other) {
      if (equals == std::string::npos) return other == option || other == contrary(option);
      return other.starts_with(option.substr(0, equals + 1));
    });
    result.push_back(option);
  }
  return result;
}

std::string make_hosts_file(const std::vector<std::string>& extra, const std::string& own_address,
                            const std::vector<std::string>& own_names) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::\tip6-localnet\n"
      "ff00::\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  for (const auto& entry : extra) {
    const std::size_t at = entry.find_first_of(":=");
    if (at == std::string::npos || entry.substr(at + 1) == "host-gateway") continue;
    std::string address = entry.substr(at + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    text += fmt::format("{}\t{}\n", address, entry.substr(0, at));
  }
  if (!own_address.empty() && !own_names.empty()) text += fmt::format("{}\t{}\n", own_address, fmt::join(own_names, " "));
  return text;
}

std::string make_resolv_conf(const std::string& host_text, const std::vector<std::string>& servers, const std::vector<std::string>& search,
                             const std::vector<std::string>& options, bool keep_loopback) {
  std::string text;
  std::istringstream lines(host_text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string key;
    std::string value;
    fields >> key >> value;
    if (key == "nameserver") {
      const bool loopback = value.starts_with("127.") || value == "::1";
      if (!servers.empty() || (loopback && !keep_loopback)) continue;
    } else if ((key == "search" || key == "domain") ? !search.empty() : key == "options" && !options.empty()) {
      continue;
    }
    if (key.empty() || key.starts_with('#') || key.starts_with(';')) continue;
    text += line + "\n";
  }
  for (const auto& server : servers) text += fmt::format("nameserver {}\n", server);
  if (!search.empty() && search != std::vector<std::string>{"."}) text += fmt::format("search {}\n", fmt::join(search, " "));
  if (!options.empty()) text += fmt::format("options {}\n", fmt::join(options, " "));
  return text;
}

}  // namespace sockerless::local
