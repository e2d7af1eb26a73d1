#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/task.hpp"
#include "sockerless/result.hpp"

namespace sockerless::docker {

/// A daemon's refusal keeps its status where /internal/v1 has it (304, 400, 403, 404, 409), anything else it says is 500; its text is kept
/// always. A daemon that is not there is unavailable, one that is silent deadline_exceeded.
Error error_of(const DockerError& failure);

std::string_view without_line_end(std::string_view line);
/// @errors the failure that a line of progress reports, if it does.
void throw_if_failure(std::string_view progress_line);

template <typename T>
T take(Result<T> result) {
  if (!result) throw error_of(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// A call of the client library as one of Backend.
template <typename T>
Task<T> value_of(Task<Result<T>> call) {
  co_return take(co_await std::move(call));
}

}  // namespace sockerless::docker
