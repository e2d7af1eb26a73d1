#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// One container's output log as its readers share it. The monitor writes the file, in the format of monitor/protocol.hpp; readers find
/// their way by offsets alone, so a torn last record (a crash, a write in progress) is simply not there yet.
///
/// Shared: a reader may outlive the container's entry in the driver.
struct LogFeed {
  explicit LogFeed(std::string file_path) : path(std::move(file_path)) {}
  const std::string path;
  Signal changed;                       ///< more was written, or a run began or ended
  std::atomic<bool> run_active{false};  ///< a run writes to it
};

/// Tells the feeds of logs that have readers when their files grow, over one inotify descriptor.
///
/// Threads: any, after construction.
class LogWatcher {
 public:
  /// The watch loop runs in `tasks` until they are cancelled.
  LogWatcher(asio::any_io_executor executor, TaskGroup& tasks);
  ~LogWatcher();
  LogWatcher(const LogWatcher&) = delete;
  LogWatcher& operator=(const LogWatcher&) = delete;

  /// Watches while the returned handle lives. May touch the disk.
  std::shared_ptr<void> watch(std::shared_ptr<LogFeed> feed);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the loop and the handles
};

/// The end of the last complete record. May block. A missing file is empty.
std::uint64_t blocking_log_end(const std::string& path);

/// Where the last `lines` lines of the selected streams begin; walks back from the end, so it costs what it finds. May block.
LogPosition blocking_log_tail(const std::string& path, std::uint64_t lines, StreamSelection streams);

/// A reader from `offset` on. @param watch  keeps the feed informed of growth; see LogWatcher::watch.
std::unique_ptr<LogReader> make_log_reader(BlockingPool& pool, std::shared_ptr<LogFeed> feed, std::shared_ptr<void> watch,
                                           std::uint64_t offset);

}  // namespace sockerless::local
