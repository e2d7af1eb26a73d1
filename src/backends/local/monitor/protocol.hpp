#pragma once
// What the daemon and a container's monitor share: the messages on the control socket, the names in a container's directory and the
// records of its output log. Plain C++ and nothing else: the monitor links none of the daemon's libraries.

#include <cstddef>
#include <cstdint>

namespace sockerless::local {

// ---- names inside a container's directory (also the OCI bundle and the working directory of the runtime)

inline constexpr const char* kControlSocketName = "control.sock";
inline constexpr const char* kConsoleSocketName = "console.sock";
inline constexpr const char* kPidFileName = "pid";
inline constexpr const char* kLogName = "output.log";
inline constexpr const char* kExitRecordName = "exit.json";

// ---- messages

inline constexpr std::uint32_t kMessageMagic = 0x314d4b53;

enum class MessageKind : std::uint32_t {
  // monitor to daemon
  started = 1,  ///< a: pid on the host, time: when. Answers `watch` too
  failed = 2,   ///< a: FailureKind, b: the runtime's exit status, text: the runtime's words
  exited = 3,   ///< a: exit code, time: when, text: the exit record (JSON)
  reply = 4,    ///< a: 0 or an errno; answers `signal`, `resize` and `attach_stdin`
  // daemon to monitor
  watch = 16,         ///< asks for `started` now and `exited` later
  signal = 17,        ///< a: signal number for the container's first process
  resize = 18,        ///< a: rows, b: columns
  attach_stdin = 19,  ///< answered ENXIO: made without stdin, EPIPE: closed; what follows is input; a half-close closes the container's
                      ///< stdin, a full close does not
};

enum class FailureKind : std::int32_t {
  monitor = 1,  ///< the monitor itself could not do something
  runtime = 2,  ///< the runtime said no
  hung = 3,     ///< the runtime did not end in time and was killed
};

/// The head of every message; `text_length` bytes of text follow. Same machine, native byte order.
struct Message {
  std::uint32_t magic = kMessageMagic;
  MessageKind kind{};
  std::int32_t a = 0;
  std::int32_t b = 0;
  std::int64_t time = 0;  ///< Unix nanoseconds
  std::uint32_t text_length = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Message) == 32);

inline constexpr std::uint32_t kMaxMessageText = 64 * 1024;

// ---- the output log: a sequence of {RecordHeader, payload, u32 size of the whole record}

inline constexpr std::uint8_t kRecordMagic = 0xa7;
inline constexpr std::uint32_t kMaxRecordPayload = 64 * 1024;

struct RecordHeader {
  std::uint8_t magic = kRecordMagic;
  std::uint8_t stream = 0;  ///< 1 stdout (and a tty), 2 stderr
  std::uint16_t flags = 0;
  std::uint32_t length = 0;  ///< of the payload, 1 to kMaxRecordPayload
  std::int64_t time = 0;     ///< Unix nanoseconds of the read
};
static_assert(sizeof(RecordHeader) == 16);

using RecordTrailer = std::uint32_t;
inline constexpr std::size_t kRecordOverhead = sizeof(RecordHeader) + sizeof(RecordTrailer);

}  // namespace sockerless::local
