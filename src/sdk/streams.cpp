#include "sockerless/streams.hpp"

#include <cstdio>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "sdk/opening.hpp"
#include "sdk/stream_parts.hpp"

namespace sockerless {

namespace detail {

StreamParts::~StreamParts() {
  if (!session) return;
  session->disarm();
  if (const auto* own = dynamic_cast<OwnThreadRunner*>(runner.get())) {
    std::ignore = own;
    session->end_because(StreamSession::Ended::closed);  // nothing runs on it now
    session.reset();
    return;
  }
  try {
    const asio::any_io_executor executor = session->executor();
    asio::post(executor, [ending = std::move(session)] { ending->end_because(StreamSession::Ended::closed); });
  } catch (...) {
    session.reset();  // out of memory: closed from here
  }
}

}  // namespace detail

BodySource body_of(std::string bytes) {
  return [bytes = std::move(bytes), used = std::size_t{0}](std::span<std::byte> buffer) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(buffer.size(), bytes.size() - used);
    std::memcpy(buffer.data(), bytes.data() + used, count);
    used += count;
    return count;
  };
}

Result<BodySource> body_of_file(const std::string& path) {
  return without_throwing([&]() -> BodySource {
    const auto file = std::make_shared<UniqueFd>(blocking_open(path, O_RDONLY));  // shared: a std::function is copied
    return [file, path](std::span<std::byte> buffer) -> Result<std::size_t> {
      ssize_t count = 0;
      do {
        count = ::read(file->get(), buffer.data(), buffer.size());
      } while (count < 0 && errno == EINTR);
      if (count >= 0) return static_cast<std::size_t>(count);
      const int number = errno;
      return without_throwing([&]() -> std::size_t { throw from_errno(number, "read " + path); });
    };
  });
}

Stream::Stream(detail::StreamParts parts) : parts_(std::make_unique<detail::StreamParts>(std::move(parts))) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

void Stream::cancel() noexcept { parts_->session->cancel(); }
void Stream::set_deadline(std::chrono::steady_clock::time_point deadline) noexcept { parts_->session->set_deadline(deadline); }

std::optional<std::string> Stream::header(std::string_view name) const {
  const auto value = parts_->session->headers().find(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

OutputReader::OutputReader(detail::StreamParts parts) : Stream(std::move(parts)) {}
Result<std::optional<OutputChunk>> OutputReader::next() { return run_to_result(*parts_->runner, parts_->session->next_output()); }

ByteReader::ByteReader(detail::StreamParts parts) : Stream(std::move(parts)) {}
Result<std::size_t> ByteReader::read(std::span<std::byte> buffer) {
  return run_to_result(*parts_->runner, parts_->session->read_some(buffer));
}

Result<std::string> ByteReader::read_all(std::size_t limit) {
  return without_throwing([&] {
    std::string all;
    std::vector<std::byte> buffer(64UL * 1024);
    for (;;) {
      Result<std::size_t> count = read(buffer);
      if (!count) throw Failure(std::move(count).error());
      if (*count == 0) return all;
      if (all.size() + *count > limit) throw Error::too_large("{} gives more than {} bytes", parts_->session->what(), limit);
      all += as_text(std::span(buffer).first(*count));
    }
  });
}

DuplexStream::DuplexStream(detail::StreamParts parts) : Stream(std::move(parts)) {}
Result<std::optional<OutputChunk>> DuplexStream::next() { return run_to_result(*parts_->runner, parts_->session->next_output()); }
Result<void> DuplexStream::write(std::string_view bytes) { return run_to_result(*parts_->runner, parts_->session->write(bytes)); }
Result<void> DuplexStream::close_write() { return run_to_result(*parts_->runner, parts_->session->close_write()); }

template <typename T>
MessageReader<T>::MessageReader(detail::StreamParts parts) : Stream(std::move(parts)) {}

template <typename T>
Result<std::optional<T>> MessageReader<T>::next() {
  Result<std::optional<std::string>> line = run_to_result(*parts_->runner, parts_->session->next_line());
  if (!line) return std::move(line).error();
  if (!*line) return std::optional<T>();
  return without_throwing([&] { return std::optional<T>(parse_message<T>(**line, parts_->session->what())); });
}

template <typename T>
Result<void> MessageReader<T>::finish() {
  for (;;) {
    Result<std::optional<T>> message = next();
    if (!message) return std::move(message).error();
    if (!*message) return {};
  }
}

template class MessageReader<api::ContainerStatsResponse>;
template class MessageReader<api::EventMessage>;
template class MessageReader<api::CreateImageInfo>;
template class MessageReader<api::PushImageInfo>;
template class MessageReader<api::BuildInfo>;

}  // namespace sockerless
