#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "sockerless/endpoint.hpp"
#include "sockerless/host_environment.hpp"

namespace sockerless {

/// Why a daemon's socket cannot be reached.
enum class ConnectProblem : std::uint8_t {
  not_in_group,              ///< the socket is for a group that the user is not in
  stale_login,               ///< the user is in the group, but this session began before
  not_permitted,             ///< the socket's mode lets neither the user nor a group in
  rootless_elsewhere,        ///< this socket is not for the user; the user's own daemon listens at another
  dangling_link,             ///< the path is a symbolic link to nothing
  no_such_file,              ///< there is nothing at the path
  not_a_socket,              ///< there is something else at the path
  nobody_listening,          ///< the socket is there, no daemon behind it
  wrong_context,             ///< a docker context, or DOCKER_HOST, leads to a dead socket while another one answers
  selinux_denial,            ///< file permissions allow it, SELinux does not
  apparmor_denial,           ///< file permissions allow it, AppArmor does not
  directory_not_searchable,  ///< a directory on the way lets the user not through
  unknown,                   ///< something else; the summary has the system's words
};

/// The enumerator's name, for logs and scripts.
std::string_view name_of(ConnectProblem problem);

/// What is known about a failed connection to a unix socket.
struct ConnectFacts {
  /// An owner or a group: its id and, where the database knows it, its name.
  struct Principal {
    unsigned id = 0;
    std::string name;
  };
  /// A directory on the way to the socket that the process may not pass.
  struct Barrier {
    std::string path;
    Principal owner;
    Principal group;
    unsigned mode = 0;
  };

  std::string path;
  int error_number = 0;  ///< of connect(2)
  EndpointSource source = EndpointSource::default_socket;
  std::string context;

  std::optional<std::string> link_target;  ///< where the path is a symbolic link
  bool exists = false;                     ///< links followed
  bool is_socket = false;
  Principal owner;
  Principal group;
  unsigned mode = 0;  ///< permission bits
  bool has_acl = false;
  std::optional<Barrier> barrier;

  Principal user;
  std::vector<gid_t> process_groups;   ///< effective and supplementary
  std::vector<gid_t> database_groups;  ///< what a login would give the user now
  bool overrides_permissions = false;  ///< has CAP_DAC_OVERRIDE
  bool in_container = false;
  bool in_user_namespace = false;  ///< of a container: some of the host's ids do not exist here
  bool selinux_enforcing = false;
  std::string apparmor_profile;  ///< an enforced one, else empty

  std::vector<std::string> answering_sockets;  ///< other usual sockets that this process can connect to
};

/// What is wrong and what to do about it, for people.
struct ConnectDiagnosis {
  ConnectProblem problem = ConnectProblem::unknown;
  std::string summary;                ///< one sentence, names path, user and group
  std::vector<std::string> ways_out;  ///< the best first; never one that opens the socket to everybody
  /// All of it on one line, as an error's message.
  std::string text() const;
};

/// Collects the facts after connect(2) to `path` failed with `error_number`. Looks at files and connects to the other usual sockets;
/// changes nothing. Threads: any; blocks for local file operations.
ConnectFacts blocking_gather_connect_facts(const std::string& path, int error_number, EndpointSource source = EndpointSource::caller,
                                           const std::string& context = {},
                                           const HostEnvironment& environment = process_host_environment());

/// The facts' meaning. A pure function.
ConnectDiagnosis diagnose_connect(const ConnectFacts& facts);

}  // namespace sockerless
