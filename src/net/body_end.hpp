#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/http_parser.hpp"

// Internal to net/.
namespace sockerless::net {

/// Finds where a body ends in bytes that are passed on as they are, chunk lines included.
class BodyEnd {
 public:
  BodyEnd(const Framing& framing, ChunkDecoder::Trailers trailers) : kind_(framing.body), left_(framing.length), chunks_(trailers) {}

  /// How many bytes at the front of `input` are the body's and complete: the line of a chunk is taken as a whole. What is counted must not
  /// be offered again.
  std::size_t advance(std::string_view input, Refusal& refusal) {
    switch (kind_) {
      case BodyKind::none:
        return 0;
      case BodyKind::until_close:
        return input.size();
      case BodyKind::length: {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        left_ -= count;
        return count;
      }
      case BodyKind::chunked:
        break;
    }
    std::string_view rest = input;
    while (const std::size_t payload = chunks_.advance(rest, refusal)) {
      chunks_.take(payload);
      rest.remove_prefix(payload);
    }
    return input.size() - rest.size();
  }

  bool done() const {
    switch (kind_) {
      case BodyKind::none:
        return true;
      case BodyKind::until_close:
        return false;
      case BodyKind::length:
        return left_ == 0;
      case BodyKind::chunked:
        return chunks_.done();
    }
    return true;
  }

 private:
  BodyKind kind_;
  std::uint64_t left_;
  ChunkDecoder chunks_;
};

}  // namespace sockerless::net
