#include "net/http_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <span>

namespace sockerless::net {

namespace {

constexpr std::size_t kMaxChunkLine = 256;
constexpr std::size_t kMaxTrailerBytes = 8192;

using Table = std::array<bool, 256>;

// RFC 9110 5.6.2: what a method or a field name is made of.
constexpr Table kToken = [] {
  Table table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

// RFC 9110 5.5: visible characters, space, tab and obs-text.
constexpr Table kFieldValue = [] {
  Table table{};
  for (std::size_t c = 0x20; c < 256; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}();

// No controls, no space, no fragment. Bytes past ASCII are let through, as Go's server does.
constexpr Table kTarget = [] {
  Table table{};
  for (std::size_t c = 0x21; c < 256; ++c) table[c] = c != 0x7f && c != '#';
  return table;
}();

bool consists_of(std::string_view text, const Table& table) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return table[static_cast<unsigned char>(c)]; });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The next line of a head that was scanned: its lines end in CRLF, so one that holds a CR of its own fails its character check.
std::string_view take_line(std::string_view& head) {
  const auto* end = static_cast<const char*>(std::memchr(head.data(), '\n', head.size()));
  const auto length = static_cast<std::size_t>(end - head.data());
  const std::string_view line = head.substr(0, length - 1);
  head.remove_prefix(length + 1);
  return line;
}

/// What the fields say about framing, gathered while they are read.
struct FramingFields {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  bool chunked = false;
  bool length_valid = false;
  std::uint64_t length = 0;
  bool close = false;
  bool keep_alive = false;
  bool expect_continue = false;
  bool expect_other = false;
};

bool parse_length(std::string_view text, std::uint64_t& length) {
  if (text.empty() || text.size() > 19 || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

void note_connection(std::string_view value, FramingFields& fields) {
  for (;;) {
    const std::size_t comma = value.find(',');
    const std::string_view token = trim(value.substr(0, comma));
    if (equal_ignoring_case(token, "close")) fields.close = true;
    if (equal_ignoring_case(token, "keep-alive")) fields.keep_alive = true;
    if (comma == std::string_view::npos) return;
    value.remove_prefix(comma + 1);
  }
}

void note_field(std::string_view name, std::string_view value, FramingFields& fields) {
  switch (name.size()) {
    case 4:
      if (equal_ignoring_case(name, "Host")) ++fields.hosts;
      break;
    case 6:
      if (equal_ignoring_case(name, "Expect"))
        (equal_ignoring_case(value, "100-continue") ? fields.expect_continue : fields.expect_other) = true;
      break;
    case 10:
      if (equal_ignoring_case(name, "Connection")) note_connection(value, fields);
      break;
    case 14:
      if (equal_ignoring_case(name, "Content-Length")) {
        ++fields.lengths;
        fields.length_valid = parse_length(value, fields.length);
      }
      break;
    case 17:
      if (equal_ignoring_case(name, "Transfer-Encoding")) {
        ++fields.codings;
        fields.chunked = equal_ignoring_case(value, "chunked");
      }
      break;
    default:
      break;
  }
}

Refusal parse_fields(std::string_view head, const HeadLimits& limits, Headers& headers, FramingFields& fields) {
  for (;;) {
    if (head.size() < 2) return {400, "the header does not end"};
    const std::string_view line = take_line(head);
    if (line.empty()) return {};
    if (headers.size() >= limits.fields) return {431, "too many header fields"};
    if (line.front() == ' ' || line.front() == '\t') return {400, "a header field is folded over lines"};
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return {400, "a header field has no name"};
    const std::string_view name = line.substr(0, colon);
    if (name.back() == ' ' || name.back() == '\t') return {400, "there is space before the colon of a header field"};
    if (!consists_of(name, kToken)) return {400, "the name of a header field has an invalid character"};
    const std::string_view value = trim(line.substr(colon + 1));
    if (!consists_of(value, kFieldValue)) return {400, "the value of a header field has an invalid character"};
    note_field(name, value, fields);
    headers.add(name, value);
  }
}

Refusal parse_version(std::string_view version, int& minor) {
  if (version == "HTTP/1.1") {
    minor = 1;
  } else if (version == "HTTP/1.0") {
    minor = 0;
  } else if (version.starts_with("HTTP/")) {
    return {505, "the HTTP version is not supported"};
  } else {
    return {400, "malformed request line"};
  }
  return {};
}

/// Splits the target into path and query. "http://host/path" is what a client sends to a proxy; its host is dropped.
Refusal parse_target(RequestHead& request) {
  std::string_view rest = request.target;
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (rest.size() < scheme.size() || !equal_ignoring_case(rest.substr(0, scheme.size()), scheme)) continue;
    rest.remove_prefix(scheme.size());
    const std::size_t slash = rest.find_first_of("/?");
    if (slash == 0) return {400, "malformed request target"};
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
    const std::size_t question = rest.find('?');
    request.path.assign(rest.empty() || rest.front() == '?' ? "/" : rest.substr(0, question));
    request.query.assign(question == std::string_view::npos ? "" : rest.substr(question + 1));
    return {};
  }
  if (rest.empty() || (rest.front() != '/' && !(rest == "*" && request.method == Method::options)))
    return {400, "malformed request target"};
  const std::size_t question = rest.find('?');
  request.path.assign(rest.substr(0, question));
  request.query.assign(question == std::string_view::npos ? "" : rest.substr(question + 1));
  return {};
}

Refusal parse_request_line(std::string_view line, RequestHead& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || first == 0) return {400, "malformed request line"};
  const std::string_view method = line.substr(0, first);
  if (!consists_of(method, kToken)) return {400, "malformed request line"};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!consists_of(target, kTarget)) return {400, "the request target has an invalid character"};
  if (const Refusal refusal = parse_version(line.substr(last + 1), request.version_minor)) return refusal;
  request.method = method_of(method);
  request.method_name.assign(method);
  request.target.assign(target);
  return parse_target(request);
}

}  // namespace

std::optional<std::size_t> HeadScanner::scan(std::string_view buffer, const HeadLimits& limits, Refusal& refusal) {
  while (scanned_ < buffer.size()) {
    const auto* found = static_cast<const char*>(std::memchr(buffer.data() + scanned_, '\n', buffer.size() - scanned_));
    if (found == nullptr) {
      scanned_ = buffer.size();
      break;
    }
    const auto at = static_cast<std::size_t>(found - buffer.data());
    if (at == 0 || buffer[at - 1] != '\r') {
      refusal = {400, "a line of the header does not end in CRLF"};
      return std::nullopt;
    }
    scanned_ = at + 1;
    if (at == 1 || (at >= 3 && buffer[at - 2] == '\n')) {
      if (scanned_ > limits.bytes) break;
      return scanned_;
    }
  }
  if (scanned_ > limits.bytes) refusal = {431, "the header is too large"};
  return std::nullopt;
}

Refusal parse_request_head(std::string_view head, const HeadLimits& limits, RequestHead& request, Framing& framing) {
  request.headers.clear();
  framing = {};
  if (const Refusal refusal = parse_request_line(take_line(head), request)) return refusal;
  FramingFields fields;
  if (const Refusal refusal = parse_fields(head, limits, request.headers, fields)) return refusal;
  const bool is_1_1 = request.version_minor == 1;
  if (fields.hosts > 1) return {400, "more than one Host"};
  if (is_1_1 && fields.hosts == 0) return {400, "missing Host"};
  if (fields.codings > 0) {
    if (!is_1_1) return {400, "Transfer-Encoding in HTTP/1.0"};
    if (fields.lengths > 0) return {400, "both Transfer-Encoding and Content-Length"};
    if (fields.codings > 1 || !fields.chunked) return {400, "unsupported Transfer-Encoding"};
    framing.body = BodyKind::chunked;
  } else if (fields.lengths > 0) {
    if (fields.lengths > 1) return {400, "more than one Content-Length"};
    if (!fields.length_valid) return {400, "invalid Content-Length"};
    framing.length = fields.length;
    framing.body = fields.length > 0 ? BodyKind::length : BodyKind::none;
  }
  if (fields.expect_other) return {417, "unknown expectation"};
  framing.expects_continue = is_1_1 && fields.expect_continue && framing.body != BodyKind::none;
  framing.keep_alive = !fields.close && (is_1_1 || fields.keep_alive);
  return {};
}

Refusal parse_response_head(std::string_view head, const HeadLimits& limits, Method to, ResponseHead& response, Framing& framing) {
  response.headers.clear();
  framing = {};
  const std::string_view line = take_line(head);
  const bool is_1_1 = line.starts_with("HTTP/1.1 ");
  if ((!is_1_1 && !line.starts_with("HTTP/1.0 ")) || line.size() < 12 || !consists_of(line, kFieldValue))
    return {502, "malformed status line"};
  const std::string_view code = line.substr(9, 3);
  const auto [end, error] = std::from_chars(code.data(), code.data() + 3, response.status);
  if (error != std::errc() || end != code.data() + 3 || response.status < 100 || (line.size() > 12 && line[12] != ' ')) {
    return {502, "malformed status line"};
  }
  response.reason.assign(line.size() > 13 ? line.substr(13) : "");
  FramingFields fields;
  if (const Refusal refusal = parse_fields(head, limits, response.headers, fields)) return refusal;
  framing.keep_alive = !fields.close && (is_1_1 || fields.keep_alive);
  if (to == Method::head || response.status < 200 || response.status == 204 || response.status == 304) return {};
  if (fields.codings > 0) {
    if (fields.codings > 1 || !fields.chunked || fields.lengths > 0) return {502, "unsupported framing"};
    framing.body = BodyKind::chunked;
  } else if (fields.lengths > 0) {
    if (fields.lengths > 1 || !fields.length_valid) return {502, "invalid Content-Length"};
    framing.length = fields.length;
    framing.body = fields.length > 0 ? BodyKind::length : BodyKind::none;
  } else {
    framing.body = BodyKind::until_close;
    framing.keep_alive = false;
  }
  return {};
}

bool ChunkDecoder::read_line(std::string_view& input, std::string_view& line, Refusal& refusal) {
  const std::size_t end = input.substr(0, kMaxChunkLine).find('\n');
  if (end == std::string_view::npos) {
    if (input.size() >= kMaxChunkLine) refusal = {400, "a chunk's line is too long"};
    return false;
  }
  line = input.substr(0, end);
  if (line.empty() || line.back() != '\r') {
    refusal = {400, "a chunk's line does not end in CRLF"};
    return false;
  }
  line.remove_suffix(1);
  input.remove_prefix(end + 1);
  if (!consists_of(line, kFieldValue)) {
    refusal = {400, "a chunk's line has an invalid character"};
    return false;
  }
  return true;
}

void ChunkDecoder::read_size(std::string_view line, Refusal& refusal) {
  const std::string_view digits = line.substr(0, line.find(';'));
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (digits.empty() || digits.size() > 15 || error != std::errc() || end != digits.data() + digits.size() || digits.front() == '-') {
    refusal = {400, "invalid chunk size"};
    return;
  }
  left_ = size;
  state_ = size > 0 ? State::data : State::trailer;
}

std::size_t ChunkDecoder::advance(std::string_view& input, Refusal& refusal) {
  std::string_view line;
  for (;;) {
    switch (state_) {
      case State::size_line:
        if (!read_line(input, line, refusal)) return 0;
        read_size(line, refusal);
        if (refusal) return 0;
        break;
      case State::data:
        if (left_ > 0) return static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        state_ = State::data_end;
        break;
      case State::data_end:
        if (!std::string_view("\r\n").starts_with(input.substr(0, 2))) {
          refusal = {400, "a chunk is longer than its size"};
          return 0;
        }
        if (input.size() < 2) return 0;
        input.remove_prefix(2);
        state_ = State::size_line;
        break;
      case State::trailer:
        if (!read_line(input, line, refusal)) return 0;
        if (line.empty()) {
          state_ = State::done;
          return 0;
        }
        trailer_bytes_ += line.size() + 2;
        if (trailers_ == Trailers::refuse) {
          refusal = {400, "trailers are not accepted"};
        } else if (trailer_bytes_ > kMaxTrailerBytes) {
          refusal = {431, "the trailers are too large"};
        }
        if (refusal) return 0;
        break;
      case State::done:
        return 0;
    }
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const std::size_t start = out.size();
  out.append(value);
  // Three searches by memchr are cheaper than one look at each character: this is every answer's path.
  if (value.contains('\r') || value.contains('\n') || value.contains('\0')) {
    for (char& c : std::span(out).subspan(start)) c = c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  }
  out.append("\r\n");
}

}  // namespace sockerless::net
