#pragma once
// Docker's framing of several streams in one ("Stream format" under POST /containers/{id}/attach): a header of 8 bytes {stream: 1, zero: 3,
// length: 4, big-endian}, then the payload. Used when there is no TTY; with one the bytes come raw.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sockerless::api {

inline constexpr std::string_view kRawStreamType = "application/vnd.docker.raw-stream";
inline constexpr std::string_view kMultiplexedStreamType = "application/vnd.docker.multiplexed-stream";

enum class StreamKind : std::uint8_t {
  standard_input = 0,
  standard_output = 1,
  standard_error = 2,
  system_error = 3,  ///< the payload is the text of the daemon's failure
};

inline constexpr std::size_t kFrameHeaderSize = 8;

std::array<char, kFrameHeaderSize> encode_frame_header(StreamKind kind, std::uint32_t length);

/// Appends one frame. The payload must be shorter than 4 GiB.
void append_frame(std::string& out, StreamKind kind, std::string_view payload);

/// Takes a framed stream apart as its bytes arrive. A payload is handed on in parts, so that a frame needs no buffer.
class FrameDecoder {
 public:
  /// A frame longer than this is taken for a stream that is not framed at all.
  static constexpr std::uint32_t kDefaultMaxLength = 64U << 20U;

  struct Part {
    StreamKind kind;
    std::string_view bytes;  ///< a view of what was fed
  };

  explicit FrameDecoder(std::uint32_t max_length = kDefaultMaxLength) : max_length_(max_length) {}

  /// Cuts the next part off the front of `bytes`. False when all of it is used up.
  /// @errors internal: not a frame header, or a frame that is too long.
  bool next(std::string_view& bytes, Part& part);
  /// The stream has ended. @errors internal: in the middle of a frame.
  void finish() const;

 private:
  void read_header();

  std::uint32_t max_length_;
  std::array<unsigned char, kFrameHeaderSize> header_{};
  std::size_t header_size_ = 0;
  std::uint32_t remaining_ = 0;
  StreamKind kind_ = StreamKind::standard_output;
};

}  // namespace sockerless::api
