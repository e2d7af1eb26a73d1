#include "engine/log_lines.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace sockerless {

namespace {

std::byte* put(std::byte* to, std::string_view text) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

std::size_t slot_of(StdStream stream) { return stream == StdStream::err ? 1 : 0; }

}  // namespace

bool LogLines::add(const LogRecord& record, OutputBuffer& out) {
  if (format_.until && record.time > *format_.until) return false;
  if (!(record.stream == StdStream::err ? format_.streams.err : format_.streams.out)) return true;
  Pending& pending = pending_[slot_of(record.stream)];
  std::string_view rest(reinterpret_cast<const char*>(record.payload.data()), record.payload.size());
  const bool all_wanted = format_.surplus_lines == 0 && !(format_.since && record.time < *format_.since);
  if (plain_ && all_wanted && pending.bytes.empty() && !pending.continues) {
    // Nothing stands between lines: everything up to the last newline goes out as one piece.
    const std::size_t end = rest.rfind('\n');
    const std::size_t whole = end == std::string_view::npos ? 0 : end + 1;
    out.append(record.payload.first(whole));
    rest.remove_prefix(whole);
  }
  while (!rest.empty()) {
    const void* newline = std::memchr(rest.data(), '\n', rest.size());
    if (newline == nullptr) break;
    const auto length = static_cast<std::size_t>(static_cast<const char*>(newline) - rest.data()) + 1;
    put_line(record.stream, record.time, pending, rest.substr(0, length), true, out);
    rest.remove_prefix(length);
  }
  if (rest.empty()) return true;
  pending.time = record.time;
  if (pending.bytes.size() + rest.size() > kLongestPiece) {
    put_line(record.stream, record.time, pending, rest, false, out);
  } else {
    pending.bytes.append(rest);
  }
  return true;
}

void LogLines::finish(OutputBuffer& out) {
  const bool err_first = pending_[1].time < pending_[0].time;
  for (const StdStream stream : {err_first ? StdStream::err : StdStream::out, err_first ? StdStream::out : StdStream::err}) {
    Pending& pending = pending_[slot_of(stream)];
    if (!pending.bytes.empty()) put_line(stream, pending.time, pending, {}, true, out);
  }
}

bool LogLines::begins_dropped(TimePoint time) {
  if (format_.surplus_lines > 0) {
    --format_.surplus_lines;
    return true;
  }
  return format_.since && time < *format_.since;
}

void LogLines::put_line(StdStream stream, TimePoint time, Pending& pending, std::string_view rest, bool complete, OutputBuffer& out) {
  const bool first_piece = !pending.continues;
  if (first_piece) pending.dropped = begins_dropped(time);
  if (!pending.dropped) {
    const std::string_view time_text = first_piece && format_.timestamps ? stamp(time) : std::string_view();
    const bool with_details = first_piece && format_.details;
    const std::size_t length = time_text.size() + (with_details ? format_.details_text.size() + 1 : 0) + pending.bytes.size() + rest.size();
    if (format_.multiplexed) out.append_frame_header(stream, length);
    std::byte* to = put(out.extend(length), time_text);
    if (with_details) to = put(put(to, format_.details_text), " ");
    put(put(to, pending.bytes), rest);
  }
  pending.bytes.clear();
  pending.continues = !complete;
}

std::string_view LogLines::stamp(TimePoint time) {
  // Only the nine digits differ from line to line: "2024-01-02T03:04:05." and "Z " stay for a second.
  constexpr std::size_t kFraction = 20;
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  const std::int64_t count = time.time_since_epoch().count();
  std::int64_t fraction = count % kNanoseconds;
  if (fraction < 0) fraction += kNanoseconds;
  const std::int64_t second = count / kNanoseconds - (count % kNanoseconds < 0 ? 1 : 0);
  if (stamp_.empty() || second != stamp_second_) {
    stamp_ = format_rfc3339_fixed(time) + " ";
    stamp_second_ = second;
  }
  for (std::size_t i = 9; i-- > 0; fraction /= 10) stamp_[kFraction + i] = static_cast<char>('0' + fraction % 10);
  return stamp_;
}

}  // namespace sockerless
