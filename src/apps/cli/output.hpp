#pragma once

#include <cstddef>
#include <span>

#include "api/stream_frame.hpp"
#include "backend/streams.hpp"

namespace sockerless::cli {

/// Writes a container's output to this process's standard output and standard error.
class Output {
 public:
  explicit Output(Framing framing) : framing_(framing) {}
  /// The next bytes of the wire. @errors invalid_argument: they are not frames.
  void write(std::span<const std::byte> bytes);

 private:
  Framing framing_;
  api::FrameDecoder decoder_;
};

}  // namespace sockerless::cli
