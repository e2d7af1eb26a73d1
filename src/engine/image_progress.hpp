#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend/streams.hpp"
#include "base/task.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

/// What makes the progress: writes lines to the sink until it is done. Its failure becomes the failure of the stream's next().
using ProgressProducer = std::move_only_function<Task<void>(ProgressSink& sink)>;

/// A stream of what `producer` writes, each line ended by CRLF.
///
/// The two take turns: the producer runs only while somebody waits in next(), on that executor, and rests in the sink's write() otherwise.
/// So a slow reader slows it down, nothing queues up, and what it reads from (a request's body) is never touched behind the reader's back.
/// Cancelling next() ends the producer and waits for its end; destroying the stream before its end cancels it where it rests. `group` joins
/// it.
///
/// next() may throw before the first line: then nothing was sent yet and the failure can still be an HTTP status.
ProgressStream make_progress_stream(std::shared_ptr<TaskGroup> group, std::string name, ProgressProducer producer);

/// {"stream": text}: what a program wrote, whatever bytes they are.
std::string stream_line(std::string_view text);

}  // namespace sockerless
