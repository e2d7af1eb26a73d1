#include "sdk/stream_session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace sockerless {

namespace {

constexpr std::size_t kChunk = 64UL * 1024;

OutputKind kind_of(api::StreamKind kind) {
  if (kind == api::StreamKind::standard_input) return OutputKind::standard_input;
  return kind == api::StreamKind::standard_error ? OutputKind::standard_error : OutputKind::standard_output;
}

}  // namespace

void StreamSession::adopt(OpenAnswer answer) {
  answer_ = std::move(answer.stream);
  slot_ = std::move(answer.slot);
  has_answer_ = false;
}

void StreamSession::adopt(OpenConnection connection) {
  headers_ = std::move(connection.head.headers);
  connection_ = std::move(connection.stream);
  slot_ = std::move(connection.slot);
  is_at_end_ = connection_ == nullptr;
}

Task<void> StreamSession::wait_answer() {
  check_open();
  std::exception_ptr failure;
  try {
    co_await answer_->wait_head(Deadline::never());
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) rethrow_as_ended(failure);
  headers_ = answer_->head().headers;
  has_answer_ = true;
  if (answer_->head().status < 300) co_return;
  std::string body;
  constexpr std::size_t kMaxRefusal = 1024UL * 1024;
  std::array<std::byte, 4096> buffer{};
  while (const std::size_t count = co_await read_some(buffer)) {
    body += as_text(std::span(buffer).first(count));
    if (body.size() > kMaxRefusal) break;
  }
  throw Failure(api_error(answer_->head().status, headers_, body));
}

void StreamSession::arm(std::stop_token stop, Deadline deadline) {
  if (!deadline.is_never()) arm_timer(deadline.at());
  if (!stop.stop_possible()) return;
  on_stop_.emplace(std::move(stop), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->cancel();
  });
}

void StreamSession::cancel() noexcept {
  try {
    asio::post(executor_, [self = shared_from_this()] { self->end_because(Ended::cancelled); });
  } catch (...) {
    std::ignore = 0;  // out of memory: there is nothing to cancel with
  }
}

void StreamSession::set_deadline(std::chrono::steady_clock::time_point deadline) noexcept {
  try {
    asio::post(executor_, [self = shared_from_this(), deadline] { self->arm_timer(deadline); });
  } catch (...) {
    std::ignore = 0;  // as above
  }
}

void StreamSession::arm_timer(std::chrono::steady_clock::time_point deadline) {
  if (ended_ != Ended::no) return;
  timer_.expires_at(deadline);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = error ? nullptr : weak.lock();
    if (self) self->end_because(Ended::timed_out);
  });
}

void StreamSession::end_because(Ended why) {
  if (ended_ != Ended::no) return;
  ended_ = why;
  timer_.cancel();
  if (answer_) answer_->close();
  if (connection_) connection_->close();
  slot_.release();
}

void StreamSession::check_open() const {
  if (upload_failure_) throw Failure(*upload_failure_);
  if (ended_ == Ended::timed_out) {
    throw Failure({.type = DockerErrorType::timeout, .message = fmt::format("{} took too long", what_), .recoverable = true});
  }
  if (ended_ != Ended::no) throw Failure({.type = DockerErrorType::cancelled, .message = fmt::format("{} was cancelled", what_)});
}

void StreamSession::rethrow_as_ended(const std::exception_ptr& failure) const {
  check_open();
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    DockerError told = docker_error_of(error);
    told.message = fmt::format("{}: {}", what_, told.message);
    throw Failure(std::move(told));
  }
}

// --- reading ---------------------------------------------------------------------------------------------------------------------------

Task<std::size_t> StreamSession::read_connection(std::span<std::byte> buffer) {
  if (is_at_end_) co_return 0;
  const std::size_t count = co_await (answer_ ? answer_->read_some(buffer) : connection_->read_some(buffer));
  if (count == 0) {
    is_at_end_ = true;
    slot_.release();
  }
  co_return count;
}

Task<std::size_t> StreamSession::read_some(std::span<std::byte> buffer) {
  check_open();
  if (!has_answer_) co_await wait_answer();
  std::exception_ptr failure;
  std::size_t count = 0;
  try {
    count = co_await read_connection(buffer);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) rethrow_as_ended(failure);
  co_return count;
}

Task<std::optional<OutputChunk>> StreamSession::next_output() {
  for (;;) {
    if (used_ < buffer_.size()) {
      std::string_view rest = std::string_view(buffer_).substr(used_);
      if (framing_ == Framing::raw) {
        used_ = buffer_.size();
        co_return OutputChunk{.kind = OutputKind::standard_output, .bytes = std::string(rest)};
      }
      api::FrameDecoder::Part part{};
      const bool has_part = [&] {
        try {
          return frames_.next(rest, part);
        } catch (const Error&) {
          rethrow_as_ended(std::current_exception());
        }
      }();
      used_ = buffer_.size() - rest.size();
      if (has_part && part.kind == api::StreamKind::system_error) {
        throw Failure({.type = DockerErrorType::server_error, .message = std::string(part.bytes)});
      }
      if (has_part) co_return OutputChunk{.kind = kind_of(part.kind), .bytes = std::string(part.bytes)};
      continue;
    }
    buffer_.resize(kChunk);
    used_ = buffer_.size();  // nothing is left in there should the read fail
    const std::size_t count = co_await read_some(std::as_writable_bytes(std::span(buffer_)));
    buffer_.resize(count);
    used_ = 0;
    if (count > 0) continue;
    try {
      if (framing_ == Framing::framed) frames_.finish();
    } catch (const Error&) {
      rethrow_as_ended(std::current_exception());
    }
    co_return std::nullopt;
  }
}

Task<std::optional<std::string>> StreamSession::next_line() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', used_ + searched_);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(used_, end - used_);
      used_ = end + 1;
      searched_ = 0;
      if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
      co_return line;
    }
    buffer_.erase(0, used_);
    used_ = 0;
    searched_ = buffer_.size();
    if (buffer_.size() > link_->config().max_message_bytes) {
      throw Failure({.type = DockerErrorType::connection,
                     .message = fmt::format("{}: a message is longer than {} bytes", what_, link_->config().max_message_bytes)});
    }
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kChunk);
    std::size_t count = 0;
    std::exception_ptr failure;
    try {
      count = co_await read_some(std::as_writable_bytes(std::span(buffer_)).subspan(before));
    } catch (...) {
      failure = std::current_exception();
    }
    buffer_.resize(before + count);
    if (failure) std::rethrow_exception(failure);
    if (count > 0) continue;
    // The last message need not end in a newline.
    std::string line = std::exchange(buffer_, {});
    searched_ = 0;
    if (line.find_first_not_of(" \r\t") == std::string::npos) co_return std::nullopt;
    co_return line;
  }
}

// --- writing ---------------------------------------------------------------------------------------------------------------------------

Task<void> StreamSession::write(std::string_view bytes) {
  check_open();
  std::exception_ptr failure;
  try {
    if (!connection_ && !answer_) throw Error::unavailable("the stream's writing side is closed");
    co_await (answer_ ? answer_->write(as_bytes(bytes)) : connection_->write(as_bytes(bytes)));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) rethrow_as_ended(failure);
}

Task<void> StreamSession::close_write() {
  check_open();
  std::exception_ptr failure;
  try {
    if (answer_) co_await answer_->finish_body();
    if (connection_) co_await connection_->close_write();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) rethrow_as_ended(failure);
}

void StreamSession::start_upload(BodySource source) {
  // Its owner is the session, which it keeps alive; closing the connection ends it.
  asio::co_spawn(executor_, upload(shared_from_this(), std::move(source)), [](const std::exception_ptr&) {
    // It throws nothing: failures are in upload_failure_.
  });
}

Task<void> StreamSession::upload(std::shared_ptr<StreamSession> self, BodySource source) {
  std::vector<std::byte> buffer(kChunk);
  std::optional<DockerError> failure;
  try {
    for (;;) {
      Result<std::size_t> count = source(buffer);
      if (!count) throw Failure(std::move(count).error());
      if (*count == 0) break;
      co_await self->answer_->write(std::span(buffer).first(std::min(*count, buffer.size())));
    }
    co_await self->answer_->finish_body();
    co_return;
  } catch (const Error&) {
    co_return;  // the daemon wants no more; its answer, or that there is none, says why
  } catch (...) {
    failure = current_docker_error();
  }
  self->upload_failure_ = std::move(failure);
  self->end_because(Ended::closed);
}

}  // namespace sockerless
