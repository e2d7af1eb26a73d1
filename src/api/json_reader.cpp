#include <array>
#include <charconv>

#include <fmt/format.h>

#include "api/json.hpp"
#include "api/utf8.hpp"
#include "base/error.hpp"

namespace sockerless::api {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_fold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

/// The index of a member by its exact name, else by its name in any case, else names.size(). `hint` is where it stands in a document
/// that keeps our order.
std::size_t index_of(std::span<const std::string_view> names, std::string_view key, std::size_t hint) {
  if (hint < names.size() && names[hint] == key) return hint;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == key) return i;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (equal_fold(names[i], key)) return i;
  }
  return names.size();
}

/// A byte in quotes, as Go's encoding/json shows it: a byte beyond ASCII is taken for a Latin-1 character.
std::string quote_char(char c) {
  constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\'";
  constexpr std::string_view kLetters = "abfnrtv\\'";
  if (const std::size_t special = kSpecial.find(c); special != std::string_view::npos) return fmt::format("'\\{}'", kLetters[special]);
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7F) return fmt::format("'\\x{:02x}'", byte);
  if (byte < 0x7F) return fmt::format("'{}'", c);
  if (byte <= 0xA0 || byte == 0xAD) return fmt::format("'\\u{:04x}'", byte);
  std::string text = "'";
  append_utf8(text, byte);
  return text + "'";
}

}  // namespace

// --- failures ------------------------------------------------------------------------------------------------------------------------

void JsonReader::fail_syntax(std::string_view where) const {
  if (at_ >= text_.size()) throw Error::invalid_argument("invalid JSON: unexpected EOF");
  throw Error::invalid_argument("invalid JSON: invalid character {} {}", quote_char(text_[at_]), where);
}

void JsonReader::fail_type(std::string_view found, std::string_view go_type) const {
  if (field_ == nullptr) throw Error::invalid_argument("invalid JSON: json: cannot unmarshal {} into Go value of type {}", found, go_type);
  // Go names the innermost struct and the way to the member from the outermost.
  std::string path(field_->name);
  for (const Field* field = field_->outer; field != nullptr; field = field->outer) path.insert(0, std::string(field->name) + ".");
  throw Error::invalid_argument("invalid JSON: json: cannot unmarshal {} into Go struct field {}.{} of type {}", found, field_->type, path,
                                go_type);
}

void JsonReader::fail_mismatch(std::string_view go_type) {
  const char c = peek();
  if (c == '"') fail_type("string", go_type);
  if (c == '{') fail_type("object", go_type);
  if (c == '[') fail_type("array", go_type);
  if (c == 't' || c == 'f') fail_type("bool", go_type);
  if (c == '-' || is_digit(c)) fail_type("number", go_type);
  fail_syntax("looking for beginning of value");
}

// --- tokens --------------------------------------------------------------------------------------------------------------------------

void JsonReader::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

char JsonReader::peek() {
  skip_space();
  if (at_ >= text_.size()) {
    if (depth_ == 0) throw Error::invalid_argument("invalid JSON: got EOF while reading request body");
    throw Error::invalid_argument("invalid JSON: unexpected EOF");
  }
  return text_[at_];
}

bool JsonReader::enter(char bracket, std::string_view go_type) {
  if (peek() != bracket) fail_mismatch(go_type);
  ++at_;
  if (++depth_ > kMaxDepth) throw Error::invalid_argument("invalid JSON: exceeded max depth");
  const char closing = bracket == '{' ? '}' : ']';
  if (peek() == closing) {
    ++at_;
    --depth_;
    return false;
  }
  return true;
}

bool JsonReader::next_element(char bracket, std::string_view where) {
  const char c = peek();
  if (c != ',' && c != bracket) fail_syntax(where);
  ++at_;
  if (c == ',') return true;
  --depth_;
  return false;
}

std::string_view JsonReader::read_key() {
  if (peek() != '"') fail_syntax("looking for beginning of object key string");
  const std::string_view key = read_string(key_);
  if (peek() != ':') fail_syntax("after object key");
  ++at_;
  return key;
}

/// The string at the quote: a view of the text where it holds nothing special, else of `scratch`.
std::string_view JsonReader::read_string(std::string& scratch) {
  const std::size_t start = ++at_;
  while (at_ < text_.size()) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') return text_.substr(start, at_++ - start);
    if (c == '\\' || c < 0x20 || c >= 0x80) break;
    ++at_;
  }
  scratch.assign(text_.substr(start, at_ - start));
  while (at_ < text_.size()) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') {
      ++at_;
      return scratch;
    }
    if (c < 0x20) fail_syntax("in string literal");
    if (c == '\\') {
      ++at_;
      read_escape(scratch);
      continue;
    }
    const std::size_t length = utf8_length(text_.substr(at_, 4));
    if (length == 0) {
      append_utf8(scratch, 0xFFFD);
      ++at_;
    } else {
      scratch += text_.substr(at_, length);
      at_ += length;
    }
  }
  fail_syntax("in string literal");
}

void JsonReader::read_escape(std::string& out) {
  if (at_ >= text_.size()) fail_syntax("in string escape code");
  switch (text_[at_]) {
    case '"':
      out.push_back('"');
      break;
    case '\\':
      out.push_back('\\');
      break;
    case '/':
      out.push_back('/');
      break;
    case 'b':
      out.push_back('\b');
      break;
    case 'f':
      out.push_back('\f');
      break;
    case 'n':
      out.push_back('\n');
      break;
    case 'r':
      out.push_back('\r');
      break;
    case 't':
      out.push_back('\t');
      break;
    case 'u': {
      ++at_;
      std::uint32_t unit = read_hex4();
      const bool high = unit >= 0xD800 && unit <= 0xDBFF;
      if (high && text_.substr(at_).starts_with("\\u")) {
        const std::size_t before = at_;
        at_ += 2;
        const std::uint32_t low = read_hex4();
        if (low >= 0xDC00 && low <= 0xDFFF) {
          unit = 0x10000 + ((unit - 0xD800) << 10U) + (low - 0xDC00);
        } else {
          at_ = before;
        }
      }
      append_utf8(out, unit);
      return;
    }
    default:
      fail_syntax("in string escape code");
  }
  ++at_;
}

std::uint32_t JsonReader::read_hex4() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? lower(text_[at_]) : '\0';
    if (is_digit(c)) {
      value = value * 16 + static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<std::uint32_t>(c - 'a' + 10);
    } else {
      fail_syntax("in \\u hexadecimal character escape");
    }
  }
  return value;
}

std::string_view JsonReader::read_number() {
  const std::size_t start = at_;
  const auto at_digit = [&] { return at_ < text_.size() && is_digit(text_[at_]); };
  const auto digits = [&](std::string_view where) {
    if (!at_digit()) fail_syntax(where);
    while (at_digit()) ++at_;
  };
  if (text_[at_] == '-') ++at_;
  if (at_ < text_.size() && text_[at_] == '0') {
    ++at_;
  } else {
    digits("in numeric literal");
  }
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    digits("after decimal point in numeric literal");
  }
  if (at_ < text_.size() && lower(text_[at_]) == 'e') {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    digits("in exponent of numeric literal");
  }
  return text_.substr(start, at_ - start);
}

void JsonReader::read_literal(std::string_view literal) {
  for (const char expected : literal) {
    if (at_ >= text_.size() || text_[at_] != expected)
      fail_syntax(fmt::format("in literal {} (expecting {})", literal, quote_char(expected)));
    ++at_;
  }
}

// --- values --------------------------------------------------------------------------------------------------------------------------

bool JsonReader::read_null() {
  if (peek() != 'n') return false;
  read_literal("null");
  return true;
}

void JsonReader::read(bool& value) {
  if (read_null()) return;
  const char c = peek();
  if (c != 't' && c != 'f') fail_mismatch("bool");
  read_literal(c == 't' ? "true" : "false");
  value = c == 't';
}

void JsonReader::read(double& value) {
  if (read_null()) return;
  const char c = peek();
  if (c != '-' && !is_digit(c)) fail_mismatch("float64");
  const std::string_view token = read_number();
  const auto result = std::from_chars(token.data(), token.data() + token.size(), value);
  if (result.ec != std::errc()) fail_type(fmt::format("number {}", token), "float64");
}

void JsonReader::read(std::string& value) {
  if (read_null()) return;
  if (peek() != '"') fail_mismatch("string");
  const std::string_view text = read_string(key_);
  value.assign(text);
}

void JsonReader::read(RawJson& value) {
  value.text.clear();
  copy_value(&value.text);
}

void JsonReader::read(EmptyObject&) {
  if (read_null()) return;
  read_object("struct {}", [&](std::string_view) { copy_value(nullptr); });
}

void JsonReader::read_integer(std::string_view go_type, std::int64_t minimum, std::uint64_t maximum, std::int64_t& negative,
                              std::uint64_t& positive) {
  if (read_null()) return;
  const char c = peek();
  if (c != '-' && !is_digit(c)) fail_mismatch(go_type);
  const std::string_view token = read_number();
  if (c == '-') {
    const auto result = std::from_chars(token.data(), token.data() + token.size(), negative);
    if (result.ec == std::errc() && result.ptr == token.data() + token.size() && negative >= minimum) return;
  } else {
    const auto result = std::from_chars(token.data(), token.data() + token.size(), positive);
    if (result.ec == std::errc() && result.ptr == token.data() + token.size() && positive <= maximum) return;
  }
  fail_type(fmt::format("number {}", token), go_type);
}

void JsonReader::read_string_or_list(std::optional<std::vector<std::string>>& value) {
  if (peek() == '"') {
    std::string text;
    read(text);
    value.emplace().push_back(std::move(text));
  } else {
    read_json(*this, value);
  }
}

void JsonReader::read_struct(std::string_view type_name, std::span<const std::string_view> names, UnknownMembers& unknown, void* object,
                             void (*member)(JsonReader&, void*, std::size_t)) {
  if (read_null()) return;
  Field field{type_name, {}, field_};
  std::size_t hint = 0;
  read_object(type_name, [&](std::string_view key) {
    const std::size_t index = index_of(names, key, hint);
    if (index == names.size()) {
      auto& [name, value] = unknown.emplace_back();
      name = key;
      read(value);
      return;
    }
    hint = index + 1;
    field.name = names[index];
    field_ = &field;
    member(*this, object, index);
    field_ = field.outer;
  });
}

/// Checks the next value and appends it without white space to `out`, where there is one. Numbers keep their own text, strings are escaped
/// our way.
void JsonReader::copy_value(std::string* out) {
  const auto append = [&](std::string_view text) {
    if (out != nullptr) out->append(text);
  };
  const char c = peek();
  const std::size_t start = at_;
  if (c == '{') {
    bool first = true;
    append("{");
    read_object("object", [&](std::string_view key) {
      if (!first) append(",");
      first = false;
      if (out != nullptr) {
        JsonWriter(*out).string(key);
        out->push_back(':');
      }
      copy_value(out);
    });
    append("}");
  } else if (c == '[') {
    bool first = true;
    append("[");
    read_array("array", [&] {
      if (!first) append(",");
      first = false;
      copy_value(out);
    });
    append("]");
  } else if (c == '"') {
    const std::string_view text = read_string(key_);
    if (out != nullptr) JsonWriter(*out).string(text);
  } else if (c == '-' || is_digit(c)) {
    append(read_number());
  } else if (c == 't' || c == 'f' || c == 'n') {
    read_literal(c == 't' ? "true" : c == 'f' ? "false" : "null");
    append(text_.substr(start, at_ - start));
  } else {
    fail_syntax("looking for beginning of value");
  }
}

void JsonReader::finish() {
  skip_space();
  if (at_ < text_.size()) throw Error::invalid_argument("unexpected content after JSON");
}

}  // namespace sockerless::api
