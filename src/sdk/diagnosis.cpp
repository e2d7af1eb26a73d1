// From facts to words. The order of the questions is the order in which the kernel asks them: is there a way to the path, is there a socket
// at it, may this process write to it (owner, group, others; in this order and only the first that applies), is somebody behind it. What is
// left when all of these say yes is a security module.

#include "sockerless/diagnosis.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sockerless {

namespace {

constexpr unsigned kOverflowId = 65534;  ///< what an id that has no mapping in this user namespace looks like
constexpr std::string_view kRootWarning = "members of that group are as good as root on the daemon's machine";

constexpr std::array<std::pair<ConnectProblem, std::string_view>, 13> kNames{{
    {ConnectProblem::not_in_group, "not_in_group"},
    {ConnectProblem::stale_login, "stale_login"},
    {ConnectProblem::not_permitted, "not_permitted"},
    {ConnectProblem::rootless_elsewhere, "rootless_elsewhere"},
    {ConnectProblem::dangling_link, "dangling_link"},
    {ConnectProblem::no_such_file, "no_such_file"},
    {ConnectProblem::not_a_socket, "not_a_socket"},
    {ConnectProblem::nobody_listening, "nobody_listening"},
    {ConnectProblem::wrong_context, "wrong_context"},
    {ConnectProblem::selinux_denial, "selinux_denial"},
    {ConnectProblem::apparmor_denial, "apparmor_denial"},
    {ConnectProblem::directory_not_searchable, "directory_not_searchable"},
    {ConnectProblem::unknown, "unknown"},
}};

bool has(const std::vector<gid_t>& groups, unsigned group) { return std::ranges::find(groups, group) != groups.end(); }

std::string shown(std::string_view what, const ConnectFacts::Principal& principal) {
  return principal.name.empty() ? fmt::format("{} {}", what, principal.id) : fmt::format("{} {} ({})", what, principal.name, principal.id);
}

std::string user_name(const ConnectFacts& facts) {
  return facts.user.name.empty() ? fmt::format("user {}", facts.user.id) : facts.user.name;
}

bool was_chosen(const ConnectFacts& facts) {
  return facts.source != EndpointSource::default_socket && facts.source != EndpointSource::usual_socket;
}

std::string choice(const ConnectFacts& facts) {
  switch (facts.source) {
    case EndpointSource::docker_host:
      return "DOCKER_HOST";
    case EndpointSource::docker_context:
      return fmt::format("the docker context \"{}\" (from DOCKER_CONTEXT)", facts.context);
    case EndpointSource::current_context:
      return fmt::format("the docker context \"{}\" (chosen by `docker context use`)", facts.context);
    case EndpointSource::caller:
      return facts.context.empty() ? "the given address" : fmt::format("the given docker context \"{}\"", facts.context);
    default:
      return "the default";
  }
}

/// How to leave what was chosen and use the daemon that answers.
std::string go_to_other(const ConnectFacts& facts) {
  const std::string& other = facts.answering_sockets.front();
  const bool is_default = other == "/var/run/docker.sock";
  switch (facts.source) {
    case EndpointSource::docker_host:
      return is_default ? fmt::format("a daemon answers at {}: unset DOCKER_HOST", other)
                        : fmt::format("a daemon answers at {0}: set DOCKER_HOST=unix://{0}", other);
    case EndpointSource::docker_context:
    case EndpointSource::current_context:
      if (is_default)
        return fmt::format("a daemon answers at {}: `docker context use default`, and unset DOCKER_CONTEXT if it is set", other);
      return fmt::format("a daemon answers at {0}: choose its context (`docker context ls`) or set DOCKER_HOST=unix://{0}", other);
    default:
      return fmt::format("a daemon answers at {0}: set DOCKER_HOST=unix://{0}", other);
  }
}

ConnectDiagnosis diagnosis(ConnectProblem problem, std::string summary, std::vector<std::string> ways_out) {
  return {.problem = problem, .summary = std::move(summary), .ways_out = std::move(ways_out)};
}

void offer_other(const ConnectFacts& facts, ConnectDiagnosis& found) {
  if (!facts.answering_sockets.empty()) found.ways_out.push_back(go_to_other(facts));
}

// ---- there is no daemon at the path

/// A dead end that was chosen, while another daemon answers, is the choice's fault; one that nobody chose means the daemon is elsewhere.
ConnectDiagnosis dead_end(const ConnectFacts& facts, ConnectDiagnosis found) {
  if (facts.answering_sockets.empty()) return found;
  if (facts.source == EndpointSource::caller && facts.context.empty()) {
    found.ways_out.push_back(go_to_other(facts));
    return found;
  }
  const bool chosen = was_chosen(facts);
  found.problem = chosen ? ConnectProblem::wrong_context : ConnectProblem::rootless_elsewhere;
  if (chosen) {
    found.summary = fmt::format("{} leads to {}, where no daemon answers: {}", choice(facts), facts.path, found.summary);
  } else {
    found.summary = fmt::format("{}; another daemon of this user is at {}", found.summary, facts.answering_sockets.front());
  }
  found.ways_out.insert(found.ways_out.begin(), go_to_other(facts));
  return found;
}

ConnectDiagnosis diagnose_missing(const ConnectFacts& facts) {
  if (facts.link_target) {
    return dead_end(facts, diagnosis(ConnectProblem::dangling_link,
                                     fmt::format("{} is a symbolic link to {}, which does not exist", facts.path, *facts.link_target),
                                     {"start the daemon whose socket the link means",
                                      fmt::format("or remove the link and name the socket by DOCKER_HOST")}));
  }
  std::vector<std::string> ways_out = {
      "start the daemon: `sudo systemctl start docker`, or `systemctl --user start docker` for a rootless one",
      "if its socket is elsewhere, name it: DOCKER_HOST=unix:///path"};
  if (facts.in_container)
    ways_out = {fmt::format("mount the host's socket into this container: `--volume /var/run/docker.sock:{}`", facts.path)};
  return dead_end(facts, diagnosis(ConnectProblem::no_such_file, fmt::format("there is no {}", facts.path), std::move(ways_out)));
}

ConnectDiagnosis diagnose_not_listening(const ConnectFacts& facts) {
  return dead_end(facts,
                  diagnosis(ConnectProblem::nobody_listening,
                            fmt::format("nobody listens at {}: the socket is left of a daemon that has ended", facts.path),
                            {"start the daemon: `sudo systemctl start docker`, or `systemctl --user start docker` for a rootless one",
                             "if it runs, its log says why it does not listen: `journalctl --unit docker`"}));
}

// ---- permission

enum class Class { owner, group, others };

/// Which of the three permission classes the kernel takes for these groups.
Class class_of(const ConnectFacts& facts, const std::vector<gid_t>& groups) {
  if (facts.user.id == facts.owner.id) return Class::owner;
  return has(groups, facts.group.id) ? Class::group : Class::others;
}

bool may_write(const ConnectFacts& facts, const std::vector<gid_t>& groups) {
  if (facts.overrides_permissions) return true;
  const unsigned shift = class_of(facts, groups) == Class::owner ? 6 : (class_of(facts, groups) == Class::group ? 3 : 0);
  return (facts.mode >> shift & 2U) != 0;
}

ConnectDiagnosis diagnose_barrier(const ConnectFacts& facts) {
  const ConnectFacts::Barrier& barrier = *facts.barrier;
  std::vector<std::string> ways_out;
  if (facts.source == EndpointSource::usual_socket || barrier.path.starts_with("/run/user/")) {
    ways_out.push_back("a rootless daemon is its owner's alone: run this program as that user, or start a daemon of your own");
  } else {
    ways_out.push_back(fmt::format("have the daemon make its socket in a directory that its users may pass, such as /run"));
    if ((barrier.mode & 010U) != 0) {
      ways_out.push_back(fmt::format("or join the directory's {}: `sudo usermod --append --groups {} {}`, then log in again",
                                     shown("group", barrier.group), barrier.group.name.empty() ? "GROUP" : barrier.group.name,
                                     user_name(facts)));
    }
  }
  ConnectDiagnosis found =
      diagnosis(ConnectProblem::directory_not_searchable,
                fmt::format("{} may not pass the directory {} on the way to {} (it is {}'s and {}'s, mode {:04o})", user_name(facts),
                            barrier.path, facts.path, shown("user", barrier.owner), shown("group", barrier.group), barrier.mode),
                std::move(ways_out));
  offer_other(facts, found);
  return found;
}

ConnectDiagnosis diagnose_security_module(const ConnectFacts& facts) {
  if (facts.selinux_enforcing) {
    std::vector<std::string> ways_out = {"see what was refused: `sudo ausearch --message avc --start recent`"};
    if (facts.in_container) {
      ways_out.emplace_back("start this container with `--security-opt label=disable`; relabelling the socket (:z) would lock others out");
    } else {
      ways_out.emplace_back(
          "run the program in a domain that may connect to the daemon, or have a policy module made for it (audit2allow)");
    }
    return diagnosis(ConnectProblem::selinux_denial,
                     fmt::format("the permissions of {} let {} in, but SELinux refuses", facts.path, user_name(facts)),
                     std::move(ways_out));
  }
  if (!facts.apparmor_profile.empty()) {
    return diagnosis(ConnectProblem::apparmor_denial,
                     fmt::format("the permissions of {} let {} in, but the AppArmor profile {} refuses", facts.path, user_name(facts),
                                 facts.apparmor_profile),
                     {"see what was refused: `sudo journalctl --dmesg --grep apparmor`",
                      fmt::format("allow it in the profile: `{} rw,`, then `sudo apparmor_parser --replace` it", facts.path)});
  }
  return diagnosis(
      ConnectProblem::unknown,
      fmt::format("{} may not connect to {}, though its permissions ({}, {}, mode {:04o}{}) allow it", user_name(facts), facts.path,
                  shown("user", facts.owner), shown("group", facts.group), facts.mode, facts.has_acl ? ", with an access list" : ""),
      {facts.has_acl ? fmt::format("see who is on the access list: `getfacl {}`", facts.path)
                     : std::string("look for a security module or a sandbox (systemd's, snap's, flatpak's) around this program")});
}

ConnectDiagnosis diagnose_stale_login(const ConnectFacts& facts) {
  return diagnosis(ConnectProblem::stale_login,
                   fmt::format("{} is in the {} of {}, but this session began before and does not know", user_name(facts),
                               shown("group", facts.group), facts.path),
                   {"log out and in again (a desktop session as a whole; a service: restart it)",
                    facts.group.name.empty() ? std::string("or get a session that knows: `su - $USER`")
                                             : fmt::format("or, for one command line only: `newgrp {}`", facts.group.name)});
}

ConnectDiagnosis diagnose_group(const ConnectFacts& facts) {
  const std::string summary = fmt::format("{} is not in the {} that may use {} (mode {:04o})", user_name(facts),
                                          shown("group", facts.group), facts.path, facts.mode);
  std::vector<std::string> ways_out;
  if (facts.in_container && facts.in_user_namespace && facts.group.id == kOverflowId) {
    ways_out.emplace_back(
        "the socket's group has no number in this container's user namespace: run the container with `--userns=host`, or mount a rootless "
        "daemon's socket");
  } else if (facts.in_container) {
    ways_out.push_back(fmt::format(
        "give the container the host's group by its number: `docker run --group-add {0} ...`, in Compose `group_add: [\"{0}\"]`",
        facts.group.id));
  } else if (facts.group.name.empty()) {
    ways_out.push_back(
        fmt::format("group {} has no name here: give it one (`sudo groupadd --gid {} docker`), then `sudo usermod --append --groups docker "
                    "{}` and log in again",
                    facts.group.id, facts.group.id, user_name(facts)));
  } else {
    ways_out.push_back(fmt::format("join it: `sudo usermod --append --groups {} {}`, then log in again; {}", facts.group.name,
                                   user_name(facts), kRootWarning));
  }
  if (!facts.in_container) ways_out.emplace_back("or run a daemon of your own without root: `dockerd-rootless-setuptool.sh install`");
  return diagnosis(ConnectProblem::not_in_group, summary, std::move(ways_out));
}

ConnectDiagnosis diagnose_not_permitted(const ConnectFacts& facts) {
  const std::string summary =
      fmt::format("{} may not write to {}, which is {}'s and {}'s, mode {:04o}: the mode lets no group in", user_name(facts), facts.path,
                  shown("user", facts.owner), shown("group", facts.group), facts.mode);
  return diagnosis(ConnectProblem::not_permitted, summary,
                   {fmt::format("run this program as {}, or have the daemon give its socket to a group of its users (dockerd's --group)",
                                shown("user", facts.owner)),
                    "or run a daemon of your own without root: `dockerd-rootless-setuptool.sh install`"});
}

ConnectDiagnosis diagnose_permission(const ConnectFacts& facts) {
  if (may_write(facts, facts.process_groups)) return diagnose_security_module(facts);
  ConnectDiagnosis found;
  const bool group_would_help = class_of(facts, facts.process_groups) == Class::others && (facts.mode & 020U) != 0;
  if (!group_would_help) {
    found = diagnose_not_permitted(facts);
  } else if (has(facts.database_groups, facts.group.id)) {
    found = diagnose_stale_login(facts);
  } else {
    found = diagnose_group(facts);
  }
  if (facts.answering_sockets.empty()) return found;
  if (!was_chosen(facts) && found.problem != ConnectProblem::stale_login) {
    found.problem = ConnectProblem::rootless_elsewhere;
    found.summary += fmt::format("; another daemon of this user is at {}", facts.answering_sockets.front());
    found.ways_out.insert(found.ways_out.begin(), go_to_other(facts));
  } else {
    offer_other(facts, found);
  }
  return found;
}

}  // namespace

std::string_view name_of(ConnectProblem problem) {
  return std::ranges::find(kNames, problem, &std::pair<ConnectProblem, std::string_view>::first)->second;
}

std::string ConnectDiagnosis::text() const {
  std::string line = summary;
  for (const std::string& way : ways_out) line += fmt::format("{}{}", &way == &ways_out.front() ? ". Way out: " : "; ", way);
  return line;
}

ConnectDiagnosis diagnose_connect(const ConnectFacts& facts) {
  if (facts.barrier) return diagnose_barrier(facts);
  if (!facts.exists) return diagnose_missing(facts);
  if (!facts.is_socket) {
    return dead_end(
        facts,
        diagnosis(
            ConnectProblem::not_a_socket, fmt::format("{} is not a socket", facts.path),
            {"a container runtime makes a directory where a file to mount is missing: remove what is there, then start the daemon again"}));
  }
  if (facts.error_number == EACCES || facts.error_number == EPERM) return diagnose_permission(facts);
  if (facts.error_number == ECONNREFUSED) return diagnose_not_listening(facts);
  ConnectDiagnosis found =
      diagnosis(ConnectProblem::unknown,
                fmt::format("cannot connect to {}: {}", facts.path, std::generic_category().message(facts.error_number)), {});
  offer_other(facts, found);
  return found;
}

}  // namespace sockerless
