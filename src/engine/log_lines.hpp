#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "engine/drivers.hpp"
#include "engine/log_buffer.hpp"

namespace sockerless {

/// How lines are selected and written.
struct LineFormat {
  bool multiplexed = true;  ///< a frame a line
  bool timestamps = false;
  bool details = false;
  std::string details_text;  ///< what `details` puts before each line, without its space
  StreamSelection streams;
  std::optional<TimePoint> since;
  std::optional<TimePoint> until;
  std::uint64_t surplus_lines = 0;  ///< selected lines to drop first
};

/// Turns records, which know nothing of lines, into lines, each stream for itself.
///
/// Bytes are copied once, straight into the output; only a line's beginning that waits for the rest is kept. A line longer than
/// kLongestPiece is written in pieces, of which the first carries the stamp. No allocation per line.
class LogLines {
 public:
  explicit LogLines(LineFormat format)
      : format_(std::move(format)), plain_(!format_.multiplexed && !format_.timestamps && !format_.details) {}

  /// @return false: the record is past `until`, so nothing after it is wanted.
  bool add(const LogRecord& record, OutputBuffer& out);
  /// The log is at its end: writes the lines that have no newline.
  void finish(OutputBuffer& out);

  static constexpr std::size_t kLongestPiece = 256UL * 1024;

 private:
  /// The beginning of a line whose newline is still to come.
  struct Pending {
    std::string bytes;
    TimePoint time = kNever;
    bool continues = false;  // a piece of this line was written or dropped already
    bool dropped = false;    // that piece was dropped
  };

  bool begins_dropped(TimePoint time);
  void put_line(StdStream stream, TimePoint time, Pending& pending, std::string_view rest, bool complete, OutputBuffer& out);
  std::string_view stamp(TimePoint time);

  LineFormat format_;
  const bool plain_;
  std::array<Pending, 2> pending_;
  std::string stamp_;  // of stamp_second_
  std::int64_t stamp_second_ = 0;
};

}  // namespace sockerless
