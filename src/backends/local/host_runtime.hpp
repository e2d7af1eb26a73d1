#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/runtime_config.hpp"
#include "backends/local/runtime_selection.hpp"

namespace sockerless::local {

/// In a container's directory: the path of the runtime that it was last started with.
inline constexpr const char* kRuntimeFileName = "runtime";

/// This host and the OCI runtime that works on it, each found out at its first use. Threads: any; everything may block.
class HostRuntime {
 public:
  /// @param wanted  a runtime's name or path; empty: crun, else runc. The others as blocking_select_runtime takes them.
  HostRuntime(std::string wanted, std::string monitor, std::string state);

  const OciHost& blocking_host();
  /// @errors unavailable: none works; asked again the next time.
  const OciRuntime& blocking_runtime();
  /// The runtime that the container in this directory was last started with, which keeps its state; else the one above.
  OciRuntime blocking_runtime_of(const std::string& directory);
  /// The name of the runtime that was chosen, "runtime" before that.
  std::string chosen_name() const;
  /// Runs that runtime with these arguments. @param doing  "pause", for the error's text.
  /// @errors deadline_exceeded: it hung; internal, with its words: it failed.
  void blocking_call(const std::string& directory, const std::vector<std::string>& arguments, std::string_view doing);

 private:
  // Set in the constructor, never changed.
  const std::string wanted_;
  const std::string monitor_;
  const std::string state_;
  // Any thread.
  std::once_flag host_once_;
  OciHost host_;
  mutable std::mutex mutex_;
  std::optional<OciRuntime> runtime_;  // guarded by mutex_; never changed once it is there
};

}  // namespace sockerless::local
