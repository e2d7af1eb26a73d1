#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/types.hpp"
#include "base/guarded.hpp"
#include "base/task.hpp"
#include "engine/container_record.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

/// One exec. Held by shared_ptr: the process's watcher and sessions in flight decide how long it lives after it was forgotten.
struct ExecRecord {
  struct State {
    bool running = false;
    std::optional<int> exit_code;  ///< set once it has ended, or could not be started
    std::int64_t pid = 0;
    std::shared_ptr<ExecProcess> process;  ///< while it runs
  };

  ExecRecord(ContainerPtr owner, ExecSpec specification, std::string keys)
      : container(std::move(owner)), spec(std::move(specification)), detach_keys(std::move(keys)) {}

  // Never changed.
  const ContainerPtr container;
  const ExecSpec spec;
  const std::string detach_keys;  ///< as the client wrote them
  // Any thread.
  Guarded<State> state;
  Signal changed;

  std::string command_line() const {
    std::string line;
    for (const auto& argument : spec.arguments) line += (line.empty() ? "" : " ") + argument;
    return line;
  }
};

/// The client's end of an exec that was started.
/// @param on_detach  called when the detach keys were typed.
std::unique_ptr<AttachSession> make_exec_session(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process, Framing framing,
                                                 std::shared_ptr<TaskGroup> tasks, asio::any_io_executor executor,
                                                 std::function<void()> on_detach);
/// The session of an exec whose command cannot be run: its output is the reason.
std::unique_ptr<AttachSession> make_failed_exec_session(std::string reason, Framing framing);

}  // namespace sockerless
