#include "api/stream_frame.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

using Parts = std::vector<std::pair<StreamKind, std::string>>;

/// What a decoder makes of the bytes when they arrive `step` at a time; parts of one stream in a row are joined.
Parts decode(std::string_view bytes, std::size_t step, FrameDecoder decoder = FrameDecoder()) {
  Parts parts;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string_view fed = bytes.substr(at, step);
    FrameDecoder::Part part;
    while (decoder.next(fed, part)) {
      if (parts.empty() || parts.back().first != part.kind) parts.emplace_back(part.kind, "");
      parts.back().second += part.bytes;
    }
  }
  decoder.finish();
  return parts;
}

TEST(StreamFrame, TheHeaderIsKindAndBigEndianLength) {
  const auto header = encode_frame_header(StreamKind::standard_error, 0x01020304);
  EXPECT_EQ(std::string(header.begin(), header.end()), std::string("\x02\0\0\0\x01\x02\x03\x04", 8));
}

TEST(StreamFrame, IsReadBackHoweverTheBytesArrive) {
  std::string bytes;
  append_frame(bytes, StreamKind::standard_output, "hello\n");
  append_frame(bytes, StreamKind::standard_output, "");
  append_frame(bytes, StreamKind::standard_error, std::string(300, 'e'));
  append_frame(bytes, StreamKind::system_error, "broken");
  const Parts expected{
      {StreamKind::standard_output, "hello\n"}, {StreamKind::standard_error, std::string(300, 'e')}, {StreamKind::system_error, "broken"}};
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{8}, std::size_t{100}, bytes.size()}) {
    EXPECT_EQ(decode(bytes, step), expected) << step;
  }
}

TEST(StreamFrame, RefusesWhatIsNoFrame) {
  EXPECT_THROW(decode(std::string("\x04\0\0\0\0\0\0\x01x", 9), 9), Error);
  EXPECT_THROW(decode("hello world", 11), Error);
  EXPECT_THROW(decode(std::string("\x01\0\0\0\xFF\xFF\xFF\xFF", 8), 8), Error);
  EXPECT_THROW(decode(std::string("\x01\0\0\0\0\0\0\x05", 8), 8, FrameDecoder(4)), Error);
}

TEST(StreamFrame, AStreamThatEndsInAFrameFails) {
  EXPECT_THROW(decode(std::string("\x01\0\0", 3), 3), Error);
  EXPECT_THROW(decode(std::string("\x01\0\0\0\0\0\0\x02x", 9), 9), Error);
  EXPECT_TRUE(decode("", 1).empty());
}

}  // namespace
}  // namespace sockerless::api
