#include "sockerless/async_streams.hpp"

#include "sdk/async_calls.hpp"

namespace sockerless {

namespace {

template <typename T>
Task<std::optional<T>> next_message(SessionPointer session) {
  const std::optional<std::string> line = co_await session->next_line();
  if (!line) co_return std::nullopt;
  co_return parse_message<T>(*line, session->what());
}

Task<void> write_all(SessionPointer session, std::string bytes) { co_await session->write(bytes); }

/// Keeps the session until the task is done, should the stream go meanwhile.
template <typename T>
Task<T> holding(SessionPointer session, Task<T> task) {
  std::ignore = session;
  co_return co_await std::move(task);
}

}  // namespace

AsyncStream::AsyncStream(detail::StreamParts parts) : parts_(std::make_unique<detail::StreamParts>(std::move(parts))) {}
AsyncStream::AsyncStream(AsyncStream&&) noexcept = default;
AsyncStream& AsyncStream::operator=(AsyncStream&&) noexcept = default;
AsyncStream::~AsyncStream() = default;

void AsyncStream::cancel() noexcept { parts_->session->cancel(); }
void AsyncStream::set_deadline(std::chrono::steady_clock::time_point deadline) noexcept { parts_->session->set_deadline(deadline); }

std::optional<std::string> AsyncStream::header(std::string_view name) const {
  const auto value = parts_->session->headers().find(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

AsyncOutputReader::AsyncOutputReader(detail::StreamParts parts) : AsyncStream(std::move(parts)) {}
asio::awaitable<Result<std::optional<OutputChunk>>> AsyncOutputReader::next() {
  return to_result(holding(parts_->session, parts_->session->next_output()));
}

AsyncByteReader::AsyncByteReader(detail::StreamParts parts) : AsyncStream(std::move(parts)) {}
asio::awaitable<Result<std::size_t>> AsyncByteReader::read(std::span<std::byte> buffer) {
  return to_result(holding(parts_->session, parts_->session->read_some(buffer)));
}

AsyncDuplexStream::AsyncDuplexStream(detail::StreamParts parts) : AsyncStream(std::move(parts)) {}
asio::awaitable<Result<std::optional<OutputChunk>>> AsyncDuplexStream::next() {
  return to_result(holding(parts_->session, parts_->session->next_output()));
}
asio::awaitable<Result<void>> AsyncDuplexStream::write(std::string bytes) {
  return to_result(write_all(parts_->session, std::move(bytes)));
}
asio::awaitable<Result<void>> AsyncDuplexStream::close_write() {
  return to_result(holding(parts_->session, parts_->session->close_write()));
}

template <typename T>
AsyncMessageReader<T>::AsyncMessageReader(detail::StreamParts parts) : AsyncStream(std::move(parts)) {}
template <typename T>
asio::awaitable<Result<std::optional<T>>> AsyncMessageReader<T>::next() {
  return to_result(next_message<T>(parts_->session));
}

template class AsyncMessageReader<api::ContainerStatsResponse>;
template class AsyncMessageReader<api::EventMessage>;
template class AsyncMessageReader<api::CreateImageInfo>;
template class AsyncMessageReader<api::PushImageInfo>;
template class AsyncMessageReader<api::BuildInfo>;

}  // namespace sockerless
