#include "net/hijacked_stream.hpp"

#include "base/error.hpp"

namespace sockerless::net {

Task<std::size_t> HijackedStream::read_some(std::span<std::byte> buffer) {
  if (buffer.empty()) co_return 0;
  if (chunks_) co_return co_await read_chunked(buffer);
  if (!input_.empty()) co_return input_.take(buffer, buffer.size());
  co_return co_await transport_->read_some(buffer);
}

Task<std::size_t> HijackedStream::read_chunked(std::span<std::byte> buffer) {
  for (;;) {
    std::string_view input = input_.view();
    Refusal refusal;
    const std::size_t available = chunks_->advance(input, refusal);
    input_.consume(input_.size() - input.size());
    if (refusal) throw Error::invalid_argument("{}", refusal.text);
    if (available > 0) {
      const std::size_t count = input_.take(buffer, available);
      chunks_->take(count);
      co_return count;
    }
    if (chunks_->done()) co_return 0;
    const std::size_t count = co_await transport_->read_some(input_.prepare());
    if (count == 0) throw Error::unavailable("the client closed the connection in the middle of the request body");
    input_.commit(count);
  }
}

Task<void> HijackedStream::write(std::span<const std::byte> data) {
  if (write_closed_) throw Error::unavailable("the stream's writing side is closed");
  // Clients that read the head through a buffer of their HTTP library lose what comes along with it (docker-py).
  if (!std::exchange(head_is_read_, true)) co_await transport_->until_read();
  co_await write_all(*transport_, {as_text(data), {}, {}});
}

Task<void> HijackedStream::close_write() {
  if (write_closed_) co_return;
  write_closed_ = true;
  co_await transport_->close_write();
}

void HijackedStream::close() {
  write_closed_ = true;
  transport_->close();
}

}  // namespace sockerless::net
