#include "sdk/raw_calls.hpp"

#include <boost/asio/this_coro.hpp>

namespace sockerless {

namespace {

/// Reads what the generated classes keep for themselves.
class CoreAccess : public AsyncClientCalls {
 public:
  explicit CoreAccess(const AsyncClientCalls& calls) : AsyncClientCalls(calls) {}
  const std::shared_ptr<DaemonLink>& link() const { return core_->link; }
};

Task<void> write_all(SessionPointer session, std::span<const std::byte> bytes) { co_await session->write(as_text(bytes)); }
Task<void> end_writing(SessionPointer session) { co_await session->close_write(); }
Task<std::size_t> read_some(SessionPointer session, std::span<std::byte> buffer) { co_return co_await session->read_some(buffer); }
Task<std::optional<std::string>> read_line(SessionPointer session) { co_return co_await session->next_line(); }

Task<RawStream> as_stream(Task<SessionPointer> opening) { co_return RawStream(co_await std::move(opening)); }

Task<SessionPointer> open_upload_head(std::shared_ptr<DaemonLink> link, Call call) {
  const auto session =
      std::make_shared<StreamSession>(co_await asio::this_coro::executor, link, fmt::format("{} {}", net::name_of(call.method), call.path));
  call.headers.emplace_back("Content-Type", "application/x-tar");
  session->adopt(co_await link->open_upload(std::move(call), {}));
  co_return session;
}

}  // namespace

Task<Result<std::size_t>> RawStream::read(std::span<std::byte> buffer) { return to_result(read_some(parts_.session, buffer)); }
Task<Result<std::optional<std::string>>> RawStream::next_line() { return to_result(read_line(parts_.session)); }
Task<Result<void>> RawStream::write(std::span<const std::byte> bytes) { return to_result(write_all(parts_.session, bytes)); }
Task<Result<void>> RawStream::close_write() { return to_result(end_writing(parts_.session)); }

std::shared_ptr<DaemonLink> link_of(const AsyncClient& client) { return CoreAccess(client).link(); }

Task<Result<RawStream>> raw_answer(const AsyncClient& client, Call call) {
  return to_result(as_stream(open_reader(link_of(client), std::move(call), {})));
}

Task<Result<RawStream>> raw_output(const AsyncClient& client, Call call) {
  return to_result(as_stream(open_output(link_of(client), std::move(call), {})));
}

Task<Result<RawStream>> raw_connection(const AsyncClient& client, Call call, std::optional<bool> tty) {
  return to_result(as_stream(open_duplex(link_of(client), std::move(call), tty, {})));
}

Task<Result<RawStream>> raw_upload(const AsyncClient& client, Call call) {
  return to_result(as_stream(open_upload_head(link_of(client), std::move(call))));
}

}  // namespace sockerless
