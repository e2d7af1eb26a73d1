#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backend/streams.hpp"
#include "base/byte_source.hpp"
#include "base/byte_stream.hpp"
#include "base/task.hpp"
#include "frontend/call.hpp"
#include "net/server.hpp"

// Internal to frontend/: answers and requests that stream.
namespace sockerless::frontend {

/// Does the work and cancels it when the client goes, so that nothing is kept busy for nobody. Not for work that hijacks.
Task<void> while_client_stays(Call& call, Task<void> work);

/// The request's body, pulled as it comes. Not to outlive the exchange.
std::unique_ptr<ByteSource> body_source(net::Exchange& exchange);

/// Sends a source as the body. What fails before its first byte is an HTTP error; later it breaks the connection, since half an archive
/// must not look like a whole one.
Task<void> send_source(Call& call, net::Headers headers, std::unique_ptr<ByteSource> source);

/// Sends lines of progress. What fails before the first line is an HTTP error; later it is a line with errorDetail and error.
Task<void> send_progress(Call& call, ProgressStream progress);

/// The line with which a progress stream ends that has failed.
std::string progress_error_line(const Error& error);

enum class UseStdin { no, yes };

/// Connects a session with a hijacked connection until the output has ended or the client is gone. The client's half-close is the end of
/// the session's input; the end of the output is our half-close, after which the client gets a moment to close its side.
/// @param early_input  what of the input was read before.
Task<void> serve_session(std::unique_ptr<AttachSession> session, std::unique_ptr<net::HijackedConnection> connection, UseStdin use_stdin,
                         std::string early_input = {});

/// The same with a WebSocket, whose messages carry the bytes without Docker's frames.
Task<void> serve_websocket_session(std::unique_ptr<AttachSession> session, std::unique_ptr<net::WebSocket> socket, UseStdin use_stdin,
                                   net::WebSocket::Kind kind);

}  // namespace sockerless::frontend
