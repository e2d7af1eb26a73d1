#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/runtime_config.hpp"
#include "backends/local/runtime_selection.hpp"

namespace sockerless::local {

/// This host and the OCI runtime that works on it, each found out at its first use. Threads: any; everything may block.
class HostRuntime {
 public:
  /// @param wanted  a runtime's name or path; empty: crun, else runc. The others as blocking_select_runtime takes them.
  HostRuntime(std::string wanted, std::string monitor, std::string state);

  const OciHost& blocking_host();
  /// @errors unavailable: none works; asked again the next time.
  const OciRuntime& blocking_runtime();
  /// The name of the runtime that was chosen, "runtime" before that.
  std::string chosen_name() const;
  /// Runs the runtime with these arguments. @param doing  "pause", for the error's text.
  /// @errors deadline_exceeded: it hung; internal, with its words: it failed.
  void blocking_call(const std::vector<std::string>& arguments, std::string_view doing);

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
