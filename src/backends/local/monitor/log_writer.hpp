#pragma once

#include <cstdint>

#include "backends/local/monitor/os.hpp"

namespace sockerless::local {

/// Appends records to a container's output log.
///
/// A record reaches the file in one write, and one that does not fit is taken back whole: readers see complete records only, except after
/// a crash, when the torn tail is cut off by the next open(). When the disk is full the record is dropped and counted; the container is
/// never stalled for want of space, as with Docker's log drivers.
class LogWriter {
 public:
  bool open(const char* name);
  /// Reads once from `fd` and appends what came. @return the result of read(2).
  ssize_t copy_from(int fd, std::uint8_t stream);
  std::uint64_t dropped_bytes() const { return dropped_; }
  std::uint64_t size() const { return size_; }

 private:
  bool cut_torn_tail();

  Fd file_;
  std::uint64_t size_ = 0;
  std::uint64_t dropped_ = 0;
  // One record, payload in place: a read and a write an 64 KiB chunk and no copy between them.
  alignas(RecordHeader) char record_[kMaxRecordPayload + kRecordOverhead];
};

}  // namespace sockerless::local
