#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sockerless::local {

/// An OCI runtime that was seen to work on this host.
struct OciRuntime {
  std::string name;  ///< "crun", "runc" or the file name given
  std::string path;
  std::vector<std::string> command;  ///< the path and its global options
  std::string state;                 ///< where it keeps a folder a container, ours alone
};

/// FNV-1a: a number that stays the same.
std::uint64_t stable_hash(std::string_view text);
/// What is worth nothing after a reboot: in memory where there is a /run to write to, one folder a state directory.
std::string runtime_folder(const std::string& state);

/// The runtime at that path, not looked at.
OciRuntime make_oci_runtime(const std::string& path, const std::string& state);

/// Finds the runtime: `wanted` (a name or a path) when it is given, else crun, else runc. Each candidate has to run a tiny container, the
/// monitor's probe, before it is taken: a runtime that is installed may still refuse this host's control groups.
/// @param monitor  path of sockerless-monitor.
/// @param state    a folder for the runtimes' own state and the check's bundle.
/// @errors unavailable: none works; the message names the packages and carries each runtime's words.
OciRuntime blocking_select_runtime(const std::string& wanted, const std::string& monitor, const std::string& state);

/// Removes the runtimes' folders for this state directory where they hold no container. May block.
void blocking_remove_empty_runtime_state(const std::string& state);

/// What a runtime printed, without its log prefixes: `time="..." level=error msg="x"` is x.
std::string plain_words(const std::string& runtime_text);

}  // namespace sockerless::local
