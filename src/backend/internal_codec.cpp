#include "backend/internal_codec.hpp"

#include <array>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace sockerless {

namespace {

/// Calls `visit(name, member)` for every member.
template <typename Stat, typename Visitor>
void visit_members(Stat& stat, Visitor&& visit) {
  visit("name", stat.name);
  visit("size", stat.size);
  visit("mode", stat.mode);
  visit("linkTarget", stat.link_target);
}

}  // namespace

void write_json(api::JsonWriter& writer, const PathStat& value) {
  writer.begin_object();
  visit_members(value, [&](std::string_view name, const auto& member) {
    writer.key(name);
    api::write_json(writer, member);
  });
  writer.key("mtime");
  writer.string(format_rfc3339(value.mtime));
  writer.end_object();
}

void read_json(api::JsonReader& reader, PathStat& value) {
  reader.read_object("struct", [&](std::string_view name) {
    bool known = false;
    visit_members(value, [&](std::string_view candidate, auto& member) {
      if (candidate != name || known) return;
      known = true;
      api::read_json(reader, member);
    });
    if (known) return;
    const bool is_time = name == "mtime";
    api::RawJson raw;
    reader.read(raw);
    if (is_time) value.mtime = find_rfc3339(api::parse_json<std::string>(raw.text)).value_or(kNever);
  });
}

}  // namespace sockerless

namespace sockerless::internal {

namespace json = boost::json;

namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::array<std::string_view, 3> kConditions = {"not-running", "next-exit", "removed"};

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::uint32_t base64_value(char c) {
  if (c == '+') c = '-';
  if (c == '/') c = '_';
  const std::size_t value = kBase64.find(c);
  if (value == std::string_view::npos) throw Error::invalid_argument("illegal base64 data");
  return static_cast<std::uint32_t>(value);
}

json::object error_object(const Error& error) { return {{"code", http_status(error.code())}, {"message", error.message()}}; }

/// {"code": 404, "message": "..."} as an Error; nothing when it is not that.
std::optional<Error> find_error(const json::value* value) {
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const json::object& object = value->get_object();
  const json::value* code = object.if_contains("code");
  const json::value* message = object.if_contains("message");
  if (message == nullptr || !message->is_string()) return std::nullopt;
  const int status = code != nullptr && code->is_int64() ? static_cast<int>(code->get_int64()) : 500;
  return Error(error_code_of_status(status), std::string(message->get_string()));
}

std::optional<json::object> find_object(std::string_view text) {
  boost::system::error_code failed;
  json::value value = json::parse(text, failed);
  if (failed || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return encoded;
}

std::string base64_encode(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kBase64[(bits >> (count - 6)) & 63U];
  }
  if (count > 0) text += kBase64[(bits << (6 - count)) & 63U];
  return text;
}

std::string base64_decode(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    bits = (bits << 6U) | base64_value(c);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 255U);
  }
  return bytes;
}

void OptionWriter::add(std::string_view name, std::string_view value) {
  query_ += query_.empty() ? '?' : '&';
  query_ += percent_encode(name);
  query_ += '=';
  query_ += percent_encode(value);
}

void OptionWriter::operator()(std::string_view name, TimePoint value) { add(name, format_rfc3339(value)); }

void OptionWriter::operator()(std::string_view name, WaitCondition value) { add(name, kConditions.at(static_cast<std::size_t>(value))); }

void OptionWriter::operator()(std::string_view, TerminalSize value) {
  add("h", std::to_string(value.height));
  add("w", std::to_string(value.width));
}

void OptionReader::operator()(std::string_view name, WaitCondition& value) {
  const std::string_view text = query_.text(name);
  if (text.empty()) return;
  for (std::size_t i = 0; i < kConditions.size(); ++i) {
    if (text != kConditions[i]) continue;
    value = static_cast<WaitCondition>(i);
    return;
  }
  throw Error::invalid_argument("invalid condition: \"{}\"", text);
}

void OptionReader::operator()(std::string_view, TerminalSize& value) {
  const auto side = [&](std::string_view name) {
    const std::int64_t number = query_.required_integer(name);
    if (number < 0 || number > 65535) throw Error::invalid_argument("invalid size: {}", number);
    return static_cast<std::uint16_t>(number);
  };
  value = {.height = side("h"), .width = side("w")};
}

void OptionReader::operator()(std::string_view name, std::optional<TerminalSize>& value) {
  if (!query_.contains("h")) return;
  (*this)(name, value.emplace());
}

void OptionReader::header(std::string_view name, std::optional<api::AuthConfig>& value) {
  const auto text = headers_.find(name);
  if (!text || text->empty()) return;
  value = api::parse_json<api::AuthConfig>(base64_decode(*text));
}

void write_json(api::JsonWriter& writer, const RoleList& value) {
  writer.begin_object();
  writer.key("roles");
  api::write_json(writer, value.roles);
  writer.end_object();
}

void read_json(api::JsonReader& reader, RoleList& value) {
  reader.read_object("struct", [&](std::string_view name) {
    if (name == "roles") {
      api::read_json(reader, value.roles);
    } else {
      api::RawJson ignored;
      reader.read(ignored);
    }
  });
}

std::string error_body(const Error& error) { return json::serialize(json::object{{"message", error.message()}}); }

Error error_of_answer(int status, std::string_view body) {
  if (status < 300) return Error::internal("the backend answered with an unexpected status {}", status);
  const auto document = find_object(body);
  const json::value* message = document ? document->if_contains("message") : nullptr;
  const bool has_message = message != nullptr && message->is_string();
  return {error_code_of_status(status),
          has_message ? std::string(message->get_string()) : fmt::format("the backend answered with status {}", status)};
}

std::string error_line(const Error& error) {
  return json::serialize(json::object{{"errorDetail", error_object(error)}, {"error", error.message()}}) + "\r\n";
}

std::optional<Error> find_error_line(std::string_view line) {
  if (!line.starts_with("{\"errorDetail\":")) return std::nullopt;
  const auto document = find_object(line);
  return document ? find_error(document->if_contains("errorDetail")) : std::nullopt;
}

std::string control_framing(Framing framing) {
  return json::serialize(json::object{{"framing", framing == Framing::raw ? "raw" : "multiplexed"}});
}

std::string control_error(const Error& error) { return json::serialize(json::object{{"error", error_object(error)}}); }

std::string control_stdin_error(const Error& error) { return json::serialize(json::object{{"stdin_error", error_object(error)}}); }

Control parse_control(std::string_view text) {
  Control control;
  if (text.empty()) return control;
  const auto document = find_object(text);
  if (!document) throw Error::unavailable("the backend's stream is malformed");
  if (const json::value* framing = document->if_contains("framing"); framing != nullptr && framing->is_string()) {
    control.framing = framing->get_string() == "raw" ? Framing::raw : Framing::multiplexed;
  }
  control.error = find_error(document->if_contains("error"));
  control.stdin_error = find_error(document->if_contains("stdin_error"));
  return control;
}

}  // namespace sockerless::internal
