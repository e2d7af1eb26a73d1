#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "backends/local/monitor_channel.hpp"
#include "base/guarded.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// How an exec ended, told by its monitor. Shared by the process's handle and the task that reads the channel.
struct ExecEnd {
  Guarded<std::optional<int>> exit_code;
  Signal changed;
};

/// The descriptors a monitor handed over: the pty's master with a terminal, else stdin (when asked for), stdout and stderr.
struct ExecStreams {
  bool tty = false;
  bool has_stdin = false;
  std::vector<UniqueFd> descriptors;
  UniqueFd control;  ///< to the monitor, for kill
};

/// @errors internal: not the descriptors that belong to it.
std::unique_ptr<ExecProcess> make_exec_process(asio::any_io_executor executor, std::int64_t pid, ExecStreams streams,
                                               std::shared_ptr<ExecEnd> end);

}  // namespace sockerless::local
