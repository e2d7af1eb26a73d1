#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "backends/local/cgroups.hpp"
#include "backends/local/user_lookup.hpp"

namespace sockerless::local {

/// A mount of the user's, in the order given.
struct OciMount {
  enum class Kind { bind, tmpfs };
  Kind kind = Kind::bind;
  std::string source{};
  std::string destination{};
  bool read_only = false;
  std::string propagation{};  ///< empty: rprivate
  bool recursive = true;
  bool read_only_below = false;        ///< with read_only: also what is mounted below, where the host can
  bool force_read_only_below = false;  ///< an error where it cannot
  std::string tmpfs_options{};         ///< "size=64m,exec"
};

struct OciUlimit {
  std::string name;
  std::int64_t soft = 0;
  std::int64_t hard = 0;
};

struct OciDevice {
  std::string path_on_host;
  std::string path_in_container;
  std::string permissions;  ///< "rwm"
};

/// What a container may use of the machine; 0 and empty mean no limit.
struct OciResources {
  std::int64_t memory = 0;
  std::int64_t memory_swap = 0;  ///< memory and swap together, -1: no limit
  std::int64_t memory_reservation = 0;
  std::optional<std::int64_t> memory_swappiness;
  bool oom_kill_disable = false;
  std::int64_t nano_cpus = 0;
  std::int64_t cpu_shares = 0;
  std::int64_t cpu_quota = 0;
  std::int64_t cpu_period = 0;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::int64_t pids_limit = 0;
  std::int64_t blkio_weight = 0;
  struct DeviceLimit {
    const char* member;  ///< of `blockIO` in the OCI configuration
    std::string path;
    std::uint64_t rate = 0;
  };
  std::vector<DeviceLimit> device_limits;
};

/// A namespace of the container: its own, the host's, that of the process `pid`, or its own one that is already there, at `path`.
struct NamespaceChoice {
  enum class Kind { own, host, of_process, prepared };
  Kind kind = Kind::own;
  std::int64_t pid = 0;
  std::string path{};
};

/// A container in the terms of the OCI runtime configuration, with Docker's options still unresolved against the root file system.
struct OciSettings {
  std::string id;
  std::string root;       ///< the mounted root file system
  std::string directory;  ///< the container's own: hosts, hostname and resolv.conf are in it
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_dir;
  std::string user;
  std::vector<std::string> group_add;
  std::string hostname;
  std::string domainname;
  bool tty = false;
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
  bool privileged = false;
  bool read_only_root = false;
  bool init = false;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> security_opt;
  std::optional<std::vector<std::string>> masked_paths;
  std::optional<std::vector<std::string>> read_only_paths;
  std::vector<OciUlimit> ulimits;
  std::vector<OciMount> mounts;
  std::vector<OciDevice> devices;
  std::vector<std::string> device_cgroup_rules;
  std::int64_t shm_size = 0;
  std::map<std::string, std::string> sysctls;
  std::map<std::string, std::string> annotations;
  std::int64_t oom_score_adj = 0;
  NamespaceChoice network;
  NamespaceChoice ipc;
  NamespaceChoice pid_namespace;
  NamespaceChoice uts;
  bool ipc_none = false;   ///< own ipc namespace and no /dev/shm
  std::string shm_source;  ///< the folder that is /dev/shm here and in the containers that share it; empty: a tmpfs of its own
  std::optional<bool> own_cgroup_namespace;
  OciResources resources;
};

/// The host's side of the decisions.
struct OciHost {
  CgroupHost cgroups;
  std::string machine;  ///< uname -m
  std::string kernel;   ///< uname -r
  std::set<std::string> capabilities;
  bool can_raise_limits = true;          ///< holds CAP_SYS_RESOURCE
  bool has_recursive_read_only = false;  ///< the kernel can make a tree of mounts read-only (5.12)
  std::string init_path;                 ///< tini; empty: not installed

  static OciHost blocking_detect();
};

/// An OCI configuration and what could not be honoured on this host, in Docker's words.
struct OciConfig {
  boost::json::object document;
  std::vector<std::string> warnings;
};

/// Makes config.json. May block: it reads the container's user database and lists devices. The root must be mounted.
/// @errors invalid_argument: a user, capability, device or option that does not exist; not_implemented: one that is not supported.
OciConfig blocking_make_config(const OciSettings& settings, const OciHost& host);

/// The warnings alone, without the root file system: what create answers.
/// @errors as blocking_make_config, except what needs the root.
std::vector<std::string> check_settings(const OciSettings& settings, const OciHost& host);

/// `process` of the OCI configuration, also the document of an exec.
boost::json::object make_process(const OciSettings& settings, const ContainerUser& user, const OciHost& host,
                                 std::vector<std::string>& warnings);

/// `linux.resources` without the device rules, also the document of an update.
boost::json::object make_resources(const OciResources& resources, const CgroupHost& cgroups, std::vector<std::string>& warnings);

/// "no-new-privileges", "seccomp=unconfined" and the like of HostConfig.SecurityOpt.
struct SecurityOptions {
  bool no_new_privileges = false;
  bool seccomp_unconfined = false;
  std::string seccomp_profile;  ///< the text of the user's own; empty: the default
  std::string apparmor_profile;
};
/// @errors invalid_argument.
SecurityOptions parse_security_options(const std::vector<std::string>& options);

}  // namespace sockerless::local
