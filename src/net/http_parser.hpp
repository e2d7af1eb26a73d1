#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

// Internal to net/: HTTP/1.1 messages as bytes (RFC 9112). The parser is strict: of everything that two implementations are known to read
// differently it accepts nothing, because a proxy in front that reads it the other way is request smuggling.
namespace sockerless::net {

/// Why a message is refused; status 0 means it is not.
struct Refusal {
  int status = 0;
  std::string_view text = {};  // a literal
  explicit operator bool() const { return status != 0; }
};

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

/// What the head says about the bytes after it.
struct Framing {
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
};

struct HeadLimits {
  std::size_t bytes;
  std::size_t fields;
};

/// Finds the end of a head in a buffer that grows at its end, looking at each byte once.
class HeadScanner {
 public:
  void reset() { scanned_ = 0; }
  /// The head's length with its empty line, or nothing yet. A line that does not end in CRLF is refused at once, not waited for.
  std::optional<std::size_t> scan(std::string_view buffer, const HeadLimits& limits, Refusal& refusal);

 private:
  std::size_t scanned_ = 0;
};

/// @param head  a complete head, its empty line included.
Refusal parse_request_head(std::string_view head, const HeadLimits& limits, RequestHead& request, Framing& framing);
/// @param to  the method of the request this answers: HEAD has no body.
Refusal parse_response_head(std::string_view head, const HeadLimits& limits, Method to, ResponseHead& response, Framing& framing);

/// Takes a chunked body apart without copying it.
class ChunkDecoder {
 public:
  enum class Trailers : std::uint8_t { refuse, drop };

  void reset(Trailers trailers) { *this = ChunkDecoder(trailers); }
  ChunkDecoder() = default;
  explicit ChunkDecoder(Trailers trailers) : trailers_(trailers) {}

  /// Steps over framing at the front of `input` (which is shortened by it) and returns how many of the bytes now in front are payload:
  /// 0 if it needs more input, or done(), or is refused.
  std::size_t advance(std::string_view& input, Refusal& refusal);
  /// Payload bytes left in this chunk; they may be read past the decoder when the input is empty.
  std::uint64_t chunk_left() const { return state_ == State::data ? left_ : 0; }
  /// Tells it that `count` payload bytes were taken.
  void take(std::size_t count) { left_ -= count; }
  bool done() const { return state_ == State::done; }

 private:
  enum class State : std::uint8_t { size_line, data, data_end, trailer, done };
  bool read_line(std::string_view& input, std::string_view& line, Refusal& refusal);
  void read_size(std::string_view line, Refusal& refusal);

  State state_ = State::size_line;
  Trailers trailers_ = Trailers::refuse;
  std::size_t trailer_bytes_ = 0;
  std::uint64_t left_ = 0;
};

/// Appends "name: value\r\n". Bytes that would end the field early (CR, LF, NUL) become spaces.
void append_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace sockerless::net
