#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "api/json.hpp"
#include "api/utf8.hpp"

namespace sockerless::api {

namespace {

constexpr std::array<bool, 256> make_plain_table() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 0x80; ++c) table[c] = true;
  for (const char c : {'"', '\\', '<', '>', '&'}) table[static_cast<unsigned char>(c)] = false;
  return table;
}

/// The bytes that stand for themselves in a string.
constexpr std::array<bool, 256> kPlain = make_plain_table();

void append_escaped_ascii(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u00";
  out.push_back(kHex[c >> 4U]);
  out.push_back(kHex[c & 0xFU]);
}

/// Appends the non-ASCII character at the start of `text` and returns its length.
std::size_t append_wide(std::string& out, std::string_view text) {
  const std::size_t length = utf8_length(text);
  if (length == 0) {
    out += "\\ufffd";
    return 1;
  }
  // U+2028 and U+2029 end a line in JavaScript; Go escapes them.
  if (text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9")) {
    out += text[2] == '\xA8' ? "\\u2028" : "\\u2029";
  } else {
    out += text.substr(0, length);
  }
  return length;
}

}  // namespace

void JsonWriter::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}

void JsonWriter::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
}

void JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
}

void JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
}

void JsonWriter::raw_key(std::string_view text) {
  separate();
  out_ += text;
  comma_ = false;
}

void JsonWriter::key(std::string_view name) {
  string(name);
  out_.push_back(':');
  comma_ = false;
}

void JsonWriter::string(std::string_view text) {
  separate();
  out_.push_back('"');
  std::size_t start = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kPlain[c]) {
      ++i;
      continue;
    }
    out_ += text.substr(start, i - start);
    if (c < 0x80) {
      append_escaped_ascii(out_, c);
      ++i;
    } else {
      i += append_wide(out_, text.substr(i));
    }
    start = i;
  }
  out_ += text.substr(start);
  out_.push_back('"');
}

void JsonWriter::number(double value) {
  if (!std::isfinite(value)) return raw("null");
  char text[48];
  const double magnitude = std::fabs(value);
  const bool scientific = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char* end = std::to_chars(text, text + sizeof text, value, scientific ? std::chars_format::scientific : std::chars_format::fixed).ptr;
  // Go writes e-7 where C++ writes e-07.
  if (scientific && end - text >= 4 && end[-4] == 'e' && end[-3] == '-' && end[-2] == '0') {
    end[-2] = end[-1];
    --end;
  }
  raw(std::string_view(text, static_cast<std::size_t>(end - text)));
}

void JsonWriter::unknown_members(const UnknownMembers& members) {
  for (const auto& [name, value] : members) {
    key(name);
    write_json(*this, value);
  }
}

}  // namespace sockerless::api
