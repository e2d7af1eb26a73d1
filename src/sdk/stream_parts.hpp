#pragma once

#include <memory>

#include "sdk/runner.hpp"
#include "sdk/stream_session.hpp"

// Internal to sdk/: what a public stream consists of.
namespace sockerless::detail {

struct StreamParts {
  std::unique_ptr<Runner> runner;          ///< null: an awaitable stream
  std::shared_ptr<StreamSession> session;  ///< see StreamSession

  StreamParts(std::unique_ptr<Runner> runner_in, std::shared_ptr<StreamSession> session_in)
      : runner(std::move(runner_in)), session(std::move(session_in)) {}
  StreamParts(StreamParts&&) noexcept = default;
  StreamParts& operator=(StreamParts&&) = delete;
  /// Drops the connection, on the executor it lives on.
  ~StreamParts();
};

}  // namespace sockerless::detail
