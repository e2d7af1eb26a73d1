#include "backends/docker/frame_source.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/stream_frame.hpp"
#include "base/error.hpp"

namespace sockerless::docker {

namespace {

constexpr std::size_t kHeader = api::kFrameHeaderSize;

std::size_t payload_size(std::span<const std::byte> header) {
  std::size_t size = 0;
  for (std::size_t i = 4; i < kHeader; ++i) size = size << 8U | std::to_integer<std::size_t>(header[i]);
  return size;
}

void check_header(std::span<const std::byte> header) {
  const bool is_frame =
      std::to_integer<unsigned>(header[0]) <= 3 && header[1] == std::byte{} && header[2] == std::byte{} && header[3] == std::byte{};
  if (!is_frame) throw Error::internal("the daemon's output is not in frames");
}

}  // namespace

Task<std::span<const std::byte>> RawSource::next() {
  if (buffer_.empty()) buffer_.resize(FrameSource::kBufferSize);
  const std::size_t count = co_await read_(buffer_);
  co_return std::span<const std::byte>(buffer_).first(count);
}

std::size_t FrameSource::whole_frames() const {
  const std::span<const std::byte> bytes = std::span(buffer_).subspan(begin_, end_ - begin_);
  std::size_t size = 0;
  while (bytes.size() - size >= kHeader) {
    check_header(bytes.subspan(size));
    const std::size_t frame = kHeader + payload_size(bytes.subspan(size));
    if (bytes.size() - size < frame) break;
    size += frame;
  }
  return size;
}

std::span<const std::byte> FrameSource::take(std::size_t count) {
  const std::span<const std::byte> piece = std::span<const std::byte>(buffer_).subspan(begin_, count);
  begin_ += count;
  return piece;
}

/// The buffer is full with the beginning of one frame: what is there becomes a frame of its own.
std::span<const std::byte> FrameSource::split_large_frame() {
  const std::size_t here = end_ - begin_ - kHeader;
  kind_ = buffer_[begin_];
  remaining_ = payload_size(std::span(buffer_).subspan(begin_)) - here;
  const auto header = api::encode_frame_header(static_cast<api::StreamKind>(kind_), static_cast<std::uint32_t>(here));
  std::memcpy(buffer_.data() + begin_, header.data(), kHeader);
  return take(end_ - begin_);
}

Task<std::span<const std::byte>> FrameSource::next() {
  if (buffer_.empty()) buffer_.resize(kBufferSize);
  for (;;) {
    if (remaining_ > 0) {
      // What a split left: its payload gets a header before it is read, so that it need not be moved. The buffer is empty by then.
      const std::size_t wanted = std::min(remaining_, buffer_.size() - kHeader);
      const std::size_t count = co_await read_(std::span(buffer_).subspan(kHeader, wanted));
      if (count == 0) throw Error::unavailable("the daemon's output ended in the middle of a frame");
      remaining_ -= count;
      const auto header = api::encode_frame_header(static_cast<api::StreamKind>(kind_), static_cast<std::uint32_t>(count));
      std::memcpy(buffer_.data(), header.data(), kHeader);
      begin_ = 0;
      end_ = kHeader + count;
      co_return take(end_);
    }
    if (const std::size_t whole = whole_frames(); whole > 0) co_return take(whole);
    if (end_ - begin_ == buffer_.size()) co_return split_large_frame();
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    const std::size_t count = co_await read_(std::span(buffer_).subspan(end_));
    if (count == 0 && end_ > 0) throw Error::unavailable("the daemon's output ended in the middle of a frame");
    if (count == 0) co_return std::span<const std::byte>{};
    end_ += count;
  }
}

}  // namespace sockerless::docker
