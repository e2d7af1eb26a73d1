#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "net/server_connection.hpp"

// Bytes of a client against a whole server session over a connection in memory. Beside not crashing, the session must answer the same
// wherever the network happens to cut the bytes, and must say nothing more after it refused a request.
namespace sockerless::net {
namespace {

class MemoryTransport final : public Transport {
 public:
  MemoryTransport(std::string_view input, std::size_t step, std::string* output) : input_(input), step_(step), output_(output) {}

  Task<void> handshake() override { co_return; }
  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    if (closed_) throw Error::cancelled();
    const std::size_t count = std::min({buffer.size(), step_, input_.size()});
    std::memcpy(buffer.data(), input_.data(), count);
    input_.remove_prefix(count);
    co_return count;
  }
  std::size_t try_write(const Pieces& pieces) override {
    for (const std::string_view piece : pieces) output_->append(piece);
    return size_of(pieces);
  }
  Task<void> wait_writable() override { co_return; }
  void watch(std::function<void()> /*stirred*/) override {}  // for relays, of which there is none here
  void unwatch() override {}
  void cancel() override {}
  /// The fuzzed peer stays until its bytes are used up, which reading tells.
  Task<void> until_peer_gone() override { co_return; }
  Task<void> close_write() override { co_return; }
  void close() override { closed_ = true; }
  void abort() override { closed_ = true; }
  bool is_quiet() override { return !closed_; }
  void detach() override {}
  void attach(const asio::any_io_executor& /*executor*/) override {}
  const PeerInfo& peer() const override { return peer_; }

 private:
  std::string_view input_;
  std::size_t step_;
  std::string* output_;
  bool closed_ = false;
  PeerInfo peer_;
};

Task<void> answer(Exchange& exchange) {
  const std::string body = co_await exchange.read_body(4096);
  if (exchange.request().path.starts_with("/stream")) {
    BodyWriter* writer = co_await exchange.respond_stream(200, {});
    co_await writer->write(as_bytes(exchange.request().query));
    co_await writer->finish();
  } else {
    co_await exchange.respond(200, {}, body);
  }
}

std::string serve(std::string_view input, std::size_t step) {
  static const auto kShared = std::make_shared<const ServerShared>(answer, ServerOptions{});
  std::string output;
  run([](std::string_view bytes, std::size_t size, std::string* out) -> Task<void> {
    const auto connection = std::make_shared<ServerConnection>(std::make_unique<MemoryTransport>(bytes, size, out), kShared);
    co_await connection->serve();
  }(input, step, &output));
  return output;
}

/// Without what may differ between two runs: dates, and 100 Continue, which is only sent while the body has not come.
std::string normal(std::string text) {
  for (const std::string_view part : {"HTTP/1.1 100 Continue\r\n\r\n", "Date: "}) {
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;) {
      text.erase(at, part == "Date: " ? sizeof("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") - 1 : part.size());
    }
  }
  return text;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace
}  // namespace sockerless::net

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  sockerless::set_log_level(sockerless::LogLevel::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sockerless::net;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = normal(serve(input, size + 1));
  require(whole == normal(serve(input, 1)));
  require(whole == normal(serve(input, 7)));
  require(whole.empty() || whole.starts_with("HTTP/1.1 "));
  return 0;
}
