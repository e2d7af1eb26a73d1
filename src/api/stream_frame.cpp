#include "api/stream_frame.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace sockerless::api {

std::array<char, kFrameHeaderSize> encode_frame_header(StreamKind kind, std::uint32_t length) {
  return {static_cast<char>(kind),
          0,
          0,
          0,
          static_cast<char>(length >> 24U),
          static_cast<char>((length >> 16U) & 0xFFU),
          static_cast<char>((length >> 8U) & 0xFFU),
          static_cast<char>(length & 0xFFU)};
}

void append_frame(std::string& out, StreamKind kind, std::string_view payload) {
  SOCKERLESS_ASSERT(payload.size() <= 0xFFFFFFFFU, "a frame's length is 32 bits");
  const auto header = encode_frame_header(kind, static_cast<std::uint32_t>(payload.size()));
  out.append(header.data(), header.size());
  out += payload;
}

bool FrameDecoder::next(std::string_view& bytes, Part& part) {
  while (remaining_ == 0) {
    if (bytes.empty()) return false;
    header_[header_size_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (header_size_ == kFrameHeaderSize) read_header();
  }
  if (bytes.empty()) return false;
  const std::size_t size = std::min<std::size_t>(remaining_, bytes.size());
  part = {kind_, bytes.substr(0, size)};
  bytes.remove_prefix(size);
  remaining_ -= static_cast<std::uint32_t>(size);
  return true;
}

void FrameDecoder::read_header() {
  header_size_ = 0;
  if (header_[0] > static_cast<unsigned char>(StreamKind::system_error)) {
    throw Error::internal("Unrecognized input header: {}", static_cast<int>(header_[0]));
  }
  kind_ = static_cast<StreamKind>(header_[0]);
  remaining_ = 0;
  for (std::size_t i = 4; i < kFrameHeaderSize; ++i) remaining_ = (remaining_ << 8U) | header_[i];
  if (remaining_ > max_length_) {
    const std::uint32_t length = remaining_;
    remaining_ = 0;
    throw Error::internal("a stream frame of {} bytes is longer than the limit of {}", length, max_length_);
  }
}

void FrameDecoder::finish() const {
  if (header_size_ != 0 || remaining_ != 0) throw Error::internal("the stream ended in the middle of a frame");
}

}  // namespace sockerless::api
