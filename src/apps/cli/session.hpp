#pragma once

#include <memory>
#include <string>

#include "apps/cli/daemon.hpp"
#include "backend/streams.hpp"
#include "base/byte_stream.hpp"

namespace sockerless::cli {

/// Joins this program's terminal to a hijacked connection until its output ends: standard input goes in (when `interactive`), output comes
/// out, the terminal's size is passed on to `resize_target` ("/containers/x/resize") when `framing` is raw.
///
/// Standard input is read by a thread that cannot be interrupted: after the session the process is to end by leave().
class Session {
 public:
  Session(Daemon& daemon, std::unique_ptr<ByteStream> stream, Framing framing, bool interactive, std::string resize_target);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Passes the terminal's size on now and whenever it changes, until cancelled; returns at once without a terminal.
  Task<void> resize();
  /// @return when the output has ended.
  Task<void> copy();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Ends the process at once: a thread may still be reading standard input.
[[noreturn]] void leave(int exit_code);

}  // namespace sockerless::cli
