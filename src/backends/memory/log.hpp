#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/guarded.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::memory {

/// What a simulated process has written: records that are only ever appended, addressed by their number. Readers wait for more without
/// costing the writer anything. Threads: any.
class MemoryLog {
 public:
  /// A run begins to write; ends with end_run().
  void begin_run();
  void end_run();
  void append(StdStream stream, TimePoint time, std::string text);

  bool is_over() const;
  LogPosition end() const;
  LogPosition tail(std::uint64_t lines, StreamSelection streams) const;

  /// The reader keeps the log alive: a container may be removed while its log is read.
  static std::unique_ptr<LogReader> open(std::shared_ptr<MemoryLog> log, LogPosition from);

 private:
  class Reader;
  struct Record {
    StdStream stream;
    TimePoint time;
    std::string text;
  };
  struct State {
    std::deque<Record> records;  // only appended to: references stay good
    bool running = false;
  };

  Guarded<State> state_;
  Signal changed_;
};

}  // namespace sockerless::memory
