// Docker's stream framing: bytes give the same parts, or fail at the same place, however they arrive.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/stream_frame.hpp"
#include "base/error.hpp"

namespace {

/// Everything that is decoded, each byte with its stream, and a mark for a failure.
std::string decode(std::string_view bytes, std::size_t step) {
  std::string out;
  sockerless::api::FrameDecoder decoder;
  try {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      std::string_view fed = bytes.substr(at, step);
      sockerless::api::FrameDecoder::Part part;
      while (decoder.next(fed, part)) {
        SOCKERLESS_ASSERT(!part.bytes.empty(), "a part has bytes");
        for (const char c : part.bytes) {
          out.push_back(static_cast<char>('0' + static_cast<int>(part.kind)));
          out.push_back(c);
        }
      }
    }
    decoder.finish();
  } catch (const sockerless::Error&) {
    out += "failed";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = decode(bytes, size == 0 ? 1 : size);
  SOCKERLESS_ASSERT(decode(bytes, 1) == whole, "the size of a read makes no difference");
  SOCKERLESS_ASSERT(decode(bytes, 7) == whole, "the size of a read makes no difference");
  return 0;
}
