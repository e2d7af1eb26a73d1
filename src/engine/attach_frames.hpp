#pragma once

#include <cstddef>
#include <span>

#include "engine/drivers.hpp"
#include "engine/log_buffer.hpp"

namespace sockerless {

/// Turns records into Docker's attach framing as they are: a frame a record, none over 64 KiB; without frames, the plain bytes.
///
/// Bytes are copied once into big pieces; a big record that needs no frame is not copied at all.
class FrameWriter {
 public:
  FrameWriter(bool multiplexed, StreamSelection streams) : multiplexed_(multiplexed), streams_(streams) {}

  /// What take() works on; stays valid until take() has returned nothing.
  void use(std::span<const LogRecord> records) { records_ = records; }
  /// A full piece; nothing when the records are used up, what they left stays for the next ones or flush().
  std::span<const std::byte> take() {
    while (!records_.empty()) {
      if (out_.size() >= kOutputBatchBytes) return out_.view();
      const LogRecord& record = records_.front();
      if (!multiplexed_ && record.payload.size() >= kWorthNoCopy && selected(record)) {
        if (!out_.empty()) return out_.view();
        records_ = records_.subspan(1);
        return record.payload;
      }
      if (selected(record)) add(record.stream, record.payload);
      records_ = records_.subspan(1);
    }
    return out_.size() >= kOutputBatchBytes ? out_.view() : std::span<const std::byte>();
  }
  void add(StdStream stream, std::span<const std::byte> payload) {
    if (!multiplexed_) return out_.append(payload);
    while (!payload.empty()) {
      const auto part = payload.first(std::min(payload.size(), kLongestFrame));
      out_.append_frame_header(stream, part.size());
      out_.append(part);
      payload = payload.subspan(part.size());
    }
  }
  bool empty() const { return out_.empty(); }
  std::span<const std::byte> flush() const { return out_.view(); }
  /// What was handed out is used up.
  void clear() { out_.clear(); }

  static constexpr std::size_t kLongestFrame = 64UL * 1024;

 private:
  static constexpr std::size_t kWorthNoCopy = 32UL * 1024;

  bool selected(const LogRecord& record) const { return record.stream == StdStream::err ? streams_.err : streams_.out; }

  const bool multiplexed_;
  const StreamSelection streams_;
  std::span<const LogRecord> records_;
  OutputBuffer out_;
};

}  // namespace sockerless
