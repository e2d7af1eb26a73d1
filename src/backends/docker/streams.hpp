#pragma once

#include <memory>

#include "backend/streams.hpp"
#include "sdk/raw_calls.hpp"

// The daemon's open streams as Backend's. Each lives on the executor it was opened on and may be destroyed anywhere.

namespace sockerless::docker {

std::unique_ptr<ByteSource> make_bytes(RawStream stream);
OutputStream make_output(RawStream stream);
std::unique_ptr<AttachSession> make_session(RawStream stream);
/// The answer's head has come, so the daemon knows of the wait.
std::unique_ptr<ContainerWait> make_wait(RawStream stream);
std::unique_ptr<EventStream> make_events(AsyncMessageReader<api::EventMessage> reader);
std::unique_ptr<StatsStream> make_stats(AsyncMessageReader<api::ContainerStatsResponse> reader);
ProgressStream make_progress(RawStream lines);

/// Sends the body, then gives the progress; what the daemon says while the body is under way is kept until then. Ends early when the daemon
/// answers without having read everything: its answer says why. @errors those of the source.
Task<ProgressStream> upload_with_progress(RawStream stream, std::unique_ptr<ByteSource> body);
/// The same where success has nothing to say.
Task<void> upload(RawStream stream, std::unique_ptr<ByteSource> body);

}  // namespace sockerless::docker
