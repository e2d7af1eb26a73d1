#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/byte_source.hpp"
#include "base/task.hpp"

namespace sockerless::docker {

/// Fills the buffer with at least one byte; 0 is the end. The buffer lives until it is done.
using ReadSome = std::function<Task<std::size_t>(std::span<std::byte>)>;

/// Bytes as they come: the output of a terminal, an archive.
class RawSource final : public ByteSource {
 public:
  explicit RawSource(ReadSome read) : read_(std::move(read)) {}
  Task<std::span<const std::byte>> next() override;

 private:
  ReadSome read_;
  std::vector<std::byte> buffer_;
};

/// Output in frames, cut so that every piece is whole frames: whoever reads it may add a frame of its own after any piece, and does when
/// the stream breaks. Nothing is copied but the frame that a read cut in two; one that is larger than the buffer goes on in several.
/// @errors internal: not a frame; unavailable: the end in the middle of a frame.
class FrameSource final : public ByteSource {
 public:
  static constexpr std::size_t kBufferSize = 64UL * 1024;

  explicit FrameSource(ReadSome read) : read_(std::move(read)) {}
  Task<std::span<const std::byte>> next() override;

 private:
  std::size_t whole_frames() const;
  std::span<const std::byte> take(std::size_t count);
  std::span<const std::byte> split_large_frame();

  ReadSome read_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;      // of what was not given out yet
  std::size_t end_ = 0;        // of what was read
  std::size_t remaining_ = 0;  // of a large frame's payload that is still to come
  std::byte kind_{};           // of that frame
};

}  // namespace sockerless::docker
