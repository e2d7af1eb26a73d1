#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "backends/local/monitor/protocol.hpp"
#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// The daemon's end of a monitor's socket.
///
/// One coroutine reads at a time. Threads: the executor of the coroutine that reads.
class MonitorChannel {
 public:
  struct Received {
    Message head;
    std::string text;
    std::vector<UniqueFd> descriptors;
  };

  MonitorChannel(const asio::any_io_executor& executor, UniqueFd fd);

  /// The next message; nothing: the monitor has ended.
  Task<std::optional<Received>> next();
  /// Sends a small message without waiting; a monitor that is gone is no error.
  void send(MessageKind kind, std::int32_t a, std::int32_t b);

 private:
  bool take_message(Received& received);
  /// @return false at the end.
  bool receive_some();

  asio::posix::stream_descriptor stream_;
  std::string buffer_;
  std::vector<UniqueFd> descriptors_;
};

/// A connected pair, both close-on-exec: ours and the monitor's.
struct ChannelPair {
  UniqueFd ours;
  UniqueFd monitors;
};
ChannelPair make_channel_pair();

/// Connects to the monitor of the container in `directory`. May block. @return no descriptor when there is none.
UniqueFd blocking_connect_monitor(const std::string& directory);

/// One command and its answer over a connection of its own. May block.
/// @return 0 or an errno; ESRCH when there is no monitor.
int blocking_command(const std::string& directory, MessageKind kind, std::int32_t a, std::int32_t b);

/// A stdin over a connection to the monitor. Null: the container was made without stdin. May block.
/// @errors unavailable: the container runs no more or has closed its stdin.
std::unique_ptr<StdinWriter> blocking_open_stdin(asio::any_io_executor executor, const std::string& directory);

/// Waits until no monitor holds the directory, at most that long. May block. @return false: one still does.
bool blocking_wait_unlocked(const std::string& directory, std::chrono::milliseconds timeout);

}  // namespace sockerless::local
