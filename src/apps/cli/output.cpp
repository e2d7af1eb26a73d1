#include "apps/cli/output.hpp"

#include <cerrno>

#include <unistd.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless::cli {

namespace {

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "write the container's output");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

void Output::write(std::span<const std::byte> bytes) {
  std::string_view text = as_text(bytes);
  if (framing_ == Framing::raw) return write_all(STDOUT_FILENO, text);
  api::FrameDecoder::Part part{};
  while (decoder_.next(text, part)) {
    const bool to_stderr = part.kind == api::StreamKind::standard_error || part.kind == api::StreamKind::system_error;
    write_all(to_stderr ? STDERR_FILENO : STDOUT_FILENO, part.bytes);
  }
}

}  // namespace sockerless::cli
