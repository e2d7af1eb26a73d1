#include "api/query_writer.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sockerless::api {

namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string encode(std::string_view text, char kept) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || c == kept) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view text) { return encode(text, '-'); }
std::string percent_encode_path(std::string_view text) { return encode(text, '/'); }

void QueryWriter::append(std::string_view name, std::string_view value) {
  if (!text_.empty()) text_ += '&';
  text_ += percent_encode(name);
  text_ += '=';
  text_ += percent_encode(value);
}

void QueryWriter::text(std::string_view name, std::string_view value, std::string_view absent) {
  if (!value.empty() && value != absent) append(name, value);
}

void QueryWriter::all(std::string_view name, const std::vector<std::string>& values) {
  for (const std::string& value : values) append(name, value);
}

void QueryWriter::boolean(std::string_view name, bool value) {
  if (value) append(name, "1");
}

void QueryWriter::boolean_or_true(std::string_view name, bool value) {
  if (!value) append(name, "0");
}

void QueryWriter::required_integer(std::string_view name, std::int64_t value) { append(name, std::to_string(value)); }

void QueryWriter::time(std::string_view name, const std::optional<TimePoint>& value) {
  if (!value || *value == kNever) return;
  const std::int64_t nanoseconds = value->time_since_epoch().count();
  const std::int64_t magnitude = nanoseconds < 0 ? -nanoseconds : nanoseconds;
  append(name, fmt::format("{}{}.{:09}", nanoseconds < 0 ? "-" : "", magnitude / 1'000'000'000, magnitude % 1'000'000'000));
}

void QueryWriter::filters(std::string_view name, const sockerless::Filters& value) {
  if (!value.empty()) append(name, value.to_json());
}

}  // namespace sockerless::api
