#include "backends/memory/log.hpp"

#include <algorithm>
#include <vector>

#include "base/byte_stream.hpp"

namespace sockerless::memory {

void MemoryLog::begin_run() {
  state_.write([](State& state) { state.running = true; });
  changed_.notify();
}

void MemoryLog::end_run() {
  state_.write([](State& state) { state.running = false; });
  changed_.notify();
}

void MemoryLog::append(StdStream stream, TimePoint time, std::string text) {
  if (text.empty()) return;
  state_.write([&](State& state) { state.records.push_back({stream, time, std::move(text)}); });
  changed_.notify();
}

bool MemoryLog::is_over() const {
  return state_.read([](const State& state) { return !state.running; });
}

LogPosition MemoryLog::end() const {
  return state_.read([](const State& state) { return LogPosition{state.records.size(), 0}; });
}

// Walks back until more lines were passed than asked for, so that a line cut in two by the position is among the surplus.
LogPosition MemoryLog::tail(std::uint64_t lines, StreamSelection streams) const {
  if (lines == 0) return end();
  return state_.read([&](const State& state) {
    std::uint64_t passed = 0;
    bool seen_last[2] = {false, false};
    std::size_t position = state.records.size();
    while (position > 0 && passed <= lines) {
      const Record& record = state.records[--position];
      const bool is_out = record.stream == StdStream::out;
      if (!(is_out ? streams.out : streams.err)) continue;
      passed += static_cast<std::uint64_t>(std::ranges::count(record.text, '\n'));
      bool& seen = seen_last[is_out ? 0 : 1];
      if (!seen && !record.text.ends_with('\n')) ++passed;  // the stream's unfinished last line
      seen = true;
    }
    return LogPosition{position, passed > lines ? passed - lines : 0};
  });
}

class MemoryLog::Reader final : public LogReader {
 public:
  Reader(std::shared_ptr<MemoryLog> log, std::uint64_t position) : log_(std::move(log)), position_(position) {}

  Task<std::span<const LogRecord>> next() override {
    constexpr std::size_t kBatch = 256;
    batch_.clear();
    log_->state_.read([&](const State& state) {
      for (; position_ < state.records.size() && batch_.size() < kBatch; ++position_) {
        const Record& record = state.records[position_];
        batch_.push_back({record.stream, record.time, as_bytes(record.text)});
      }
    });
    co_return batch_;
  }

  Task<void> wait_for_more() override {
    for (;;) {
      const std::uint64_t seen = log_->changed_.version();
      const bool ready = log_->state_.read([&](const State& state) { return position_ < state.records.size() || !state.running; });
      if (ready) co_return;
      co_await log_->changed_.wait_changed(seen);
    }
  }

  bool is_over() override { return log_->is_over(); }

 private:
  const std::shared_ptr<MemoryLog> log_;  // shared with the container: it may be removed while its log is read
  std::uint64_t position_;
  std::vector<LogRecord> batch_;
};

std::unique_ptr<LogReader> MemoryLog::open(std::shared_ptr<MemoryLog> log, LogPosition from) {
  return std::make_unique<Reader>(std::move(log), from.offset);
}

}  // namespace sockerless::memory
