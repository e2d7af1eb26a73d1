#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http_parser.hpp"

// Bytes of a server against the client's parser: the head, and a chunked body decoded in two different cuts.
namespace sockerless::net {
namespace {

struct Decoded {
  std::string payload;
  bool done = false;
  int status = 0;
};

Decoded decode(std::string_view text, std::size_t step) {
  ChunkDecoder decoder(ChunkDecoder::Trailers::drop);
  Decoded result;
  std::string buffer;
  Refusal refusal;
  for (;;) {
    std::string_view input = buffer;
    const std::size_t count = decoder.advance(input, refusal);
    if (count > input.size()) std::abort();
    result.payload.append(input.substr(0, count));
    decoder.take(count);
    buffer = std::string(input.substr(count));
    if (refusal || decoder.done() || (count == 0 && text.empty())) break;
    if (count > 0) continue;
    buffer.append(text.substr(0, step));
    text.remove_prefix(std::min(step, text.size()));
  }
  result.done = decoder.done();
  result.status = refusal.status;
  return result;
}

}  // namespace
}  // namespace sockerless::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sockerless::net;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr HeadLimits kLimits{.bytes = 4096, .fields = 50};
  HeadScanner scanner;
  Refusal refusal;
  if (const auto length = scanner.scan(input, kLimits, refusal)) {
    ResponseHead head;
    Framing framing;
    refusal = parse_response_head(input.substr(0, *length), kLimits, Method::get, head, framing);
    if (!refusal && head.headers.size() > kLimits.fields) std::abort();
    input.remove_prefix(*length);
  }
  const Decoded one = decode(input, 3);
  const Decoded other = decode(input, 1000);
  if (one.payload != other.payload || one.done != other.done || one.status != other.status) std::abort();
  return 0;
}
