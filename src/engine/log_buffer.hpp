#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "engine/drivers.hpp"

namespace sockerless {

/// Bytes on their way out: grows without filling what is overwritten at once anyway, and keeps its memory from one batch to the next.
class OutputBuffer {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }
  std::span<const std::byte> view() const { return {bytes_.get(), size_}; }

  /// Room for `count` more bytes, which the caller fills.
  std::byte* extend(std::size_t count) {
    if (size_ + count > capacity_) grow(size_ + count);
    std::byte* room = bytes_.get() + size_;
    size_ += count;
    return room;
  }
  void append(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  /// Docker's frame header: the stream, three zeros and the payload's length in big-endian.
  void append_frame_header(StdStream stream, std::size_t length) {
    std::byte* header = extend(kFrameHeaderBytes);
    header[0] = static_cast<std::byte>(stream);
    header[1] = header[2] = header[3] = std::byte{0};
    for (int i = 0; i < 4; ++i) header[4 + i] = static_cast<std::byte>(length >> (24 - 8 * i));
  }

  static constexpr std::size_t kFrameHeaderBytes = 8;

 private:
  void grow(std::size_t wanted) {
    const std::size_t capacity = std::max(wanted, capacity_ * 2);
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// A piece of output goes on once it holds this much; what is there when the log has no more goes on at once.
inline constexpr std::size_t kOutputBatchBytes = 256UL * 1024;

}  // namespace sockerless
