#pragma once

#include <cstdint>
#include <vector>

#include "backends/local/monitor/os.hpp"

namespace sockerless::local {

/// Appends records to a container's output log.
///
/// A record reaches the file in one write, and one that does not fit is taken back whole: readers see complete records only, except after
/// a crash, when the torn tail is cut off by the next open(). When the disk is full the record is dropped and counted; the container is
/// never stalled for want of space, as with Docker's log drivers.
///
/// Offsets are those of one endless log, also when its oldest parts are gone: readers and tail need not know of parts.
class LogWriter {
 public:
  bool open(const char* name);
  /// Keeps at most `files` parts of `size` bytes each: when another part begins, the oldest one's room goes back to the disk, and zeros
  /// stay at its offsets. Where the file system cannot do that, all is kept. Before open().
  void limit(std::uint64_t size, unsigned files);
  /// Reads once from `fd` and appends what came. @return the result of read(2).
  ssize_t copy_from(int fd, std::uint8_t stream);
  std::uint64_t dropped_bytes() const { return dropped_; }
  std::uint64_t size() const { return size_; }

 private:
  bool cut_torn_tail();
  std::uint64_t first_record() const;
  void find_parts();
  void begin_part_when_full(std::uint64_t record);

  Fd file_;
  std::uint64_t size_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t part_size_ = 0;  // 0: no limit
  std::size_t max_parts_ = 1;
  std::size_t read_size_ = kMaxRecordPayload;
  std::vector<std::uint64_t> parts_;  // where they begin; the last is written to
  // One record, payload in place: a read and a write an 64 KiB chunk and no copy between them.
  alignas(RecordHeader) char record_[kMaxRecordPayload + kRecordOverhead];
};

}  // namespace sockerless::local
