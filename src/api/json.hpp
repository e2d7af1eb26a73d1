#pragma once
// JSON straight into a string and straight out of one, without a tree in between.
//
// The text is what Go's encoding/json writes (map keys sorted, <, > and & escaped, invalid UTF-8 replaced), since clients compare it with
// dockerd's. Reading accepts what Go accepts: names of members in any case, null for "leave it", the last of equal names wins; and it
// refuses with Go's words.

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sockerless/raw_json.hpp"

namespace sockerless::api {

/// Appends JSON to a string. Commas are its business; the nesting is the caller's.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  /// The name of the next member, escaped.
  void key(std::string_view name);
  /// The same, already written as JSON with its colon: `"Id":`.
  void raw_key(std::string_view text);
  void string(std::string_view text);
  void number(double value);
  /// A value that is JSON already.
  void raw(std::string_view json);

  template <std::integral T>
  void number(T value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    raw(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }

  template <typename T>
  void member(std::string_view raw_name, const T& value) {
    raw_key(raw_name);
    write_json(*this, value);
  }
  template <typename T>
  void member_or_omit(std::string_view raw_name, const std::optional<T>& value) {
    if (value) member(raw_name, *value);
  }
  /// An unset member is written as the JSON text `unset`.
  template <typename T>
  void member_or(std::string_view raw_name, const std::optional<T>& value, std::string_view unset) {
    if (value) return member(raw_name, *value);
    raw_key(raw_name);
    raw(unset);
  }
  template <typename T>
  void member_or_zero(std::string_view raw_name, const std::optional<T>& value) {
    if (value) return member(raw_name, *value);
    member(raw_name, T{});
  }
  void unknown_members(const UnknownMembers& members);

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();

  std::string& out_;
  bool comma_ = false;
};

/// Reads one JSON text. Every failure is Error invalid_argument in Go's words after "invalid JSON: ".
class JsonReader {
 public:
  static constexpr int kMaxDepth = 500;

  explicit JsonReader(std::string_view text) : text_(text) {}

  /// True, and past it, when the next value is null.
  bool read_null();
  /// True when the next value begins with this character.
  bool next_is(char c) { return peek() == c; }
  void read(bool& value);
  void read(double& value);
  void read(std::string& value);
  /// The next value's text without the white space between tokens.
  void read(RawJson& value);
  void read(EmptyObject& value);
  template <std::integral T>
  void read(T& value);

  template <typename Enum>
  void read_enum(Enum& value) {
    if (read_null()) return;
    std::string text;
    read(text);
    value = Enum(std::string_view(text));
  }
  /// Docker's strslice: a list, or one string for a list of one.
  void read_string_or_list(std::optional<std::vector<std::string>>& value);

  /// Reads an object into a struct: `member` is called with the index of each known name, the rest goes to `unknown`.
  void read_struct(std::string_view type_name, std::span<const std::string_view> names, UnknownMembers& unknown, void* object,
                   void (*member)(JsonReader&, void*, std::size_t));
  /// Calls on_member(name) for each member; it must read the value.
  template <typename F>
  void read_object(std::string_view go_type, F&& on_member) {
    if (!enter('{', go_type)) return;
    do {
      on_member(read_key());
    } while (next_element('}', "after object key:value pair"));
  }
  template <typename F>
  void read_array(std::string_view go_type, F&& on_element) {
    if (!enter('[', go_type)) return;
    do {
      on_element();
    } while (next_element(']', "after array element"));
  }

  /// Nothing but white space may follow. @errors invalid_argument: "unexpected content after JSON".
  void finish();

  [[noreturn]] void fail_type(std::string_view found, std::string_view go_type) const;

 private:
  /// Where the reader stands, for messages: the member that is being read and those around it.
  struct Field {
    std::string_view type;
    std::string_view name;
    const Field* outer;
  };

  char peek();
  void skip_space();
  bool enter(char bracket, std::string_view go_type);
  bool next_element(char bracket, std::string_view where);
  std::string_view read_key();
  std::string_view read_string(std::string& scratch);
  void read_escape(std::string& out);
  std::uint32_t read_hex4();
  std::string_view read_number();
  void read_literal(std::string_view literal);
  void copy_value(std::string* out);
  [[noreturn]] void fail_syntax(std::string_view where) const;
  [[noreturn]] void fail_mismatch(std::string_view go_type);
  void read_integer(std::string_view go_type, std::int64_t minimum, std::uint64_t maximum, std::int64_t& negative, std::uint64_t& positive);

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string key_;
  const Field* field_ = nullptr;
};

/// Go's name of an integer type, for messages.
template <std::integral T>
constexpr std::string_view go_integer_name() {
  constexpr std::string_view kSigned[] = {"int8", "int16", "int32", "int64"};
  constexpr std::string_view kUnsigned[] = {"uint8", "uint16", "uint32", "uint64"};
  constexpr int kIndex = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return std::is_signed_v<T> ? kSigned[kIndex] : kUnsigned[kIndex];
}

template <std::integral T>
void JsonReader::read(T& value) {
  std::int64_t negative = 0;
  std::uint64_t positive = 0;
  read_integer(go_integer_name<T>(), static_cast<std::int64_t>(std::numeric_limits<T>::min()),
               static_cast<std::uint64_t>(std::numeric_limits<T>::max()), negative, positive);
  value = negative < 0 ? static_cast<T>(negative) : static_cast<T>(positive);
}

// --- write_json and read_json for everything that structs are made of; api/types_json.hpp has them for the structs ------------------

inline void write_json(JsonWriter& writer, bool value) { writer.raw(value ? "true" : "false"); }
inline void write_json(JsonWriter& writer, double value) { writer.number(value); }
template <std::integral T>
  requires(!std::same_as<T, bool>)
void write_json(JsonWriter& writer, T value) {
  writer.number(value);
}
inline void write_json(JsonWriter& writer, const std::string& value) { writer.string(value); }
inline void write_json(JsonWriter& writer, const RawJson& value) { writer.raw(value.text.empty() ? "null" : std::string_view(value.text)); }
inline void write_json(JsonWriter& writer, const EmptyObject&) { writer.raw("{}"); }

template <typename T>
void write_json(JsonWriter& writer, const std::optional<T>& value) {
  if (value) {
    write_json(writer, *value);
  } else {
    writer.raw("null");
  }
}
template <typename T>
void write_json(JsonWriter& writer, const std::vector<T>& values) {
  writer.begin_array();
  for (const T& value : values) write_json(writer, value);
  writer.end_array();
}
template <typename T>
void write_json(JsonWriter& writer, const std::map<std::string, T>& values) {
  writer.begin_object();
  for (const auto& [name, value] : values) {
    writer.key(name);
    write_json(writer, value);
  }
  writer.end_object();
}

template <typename T>
  requires(std::is_arithmetic_v<T> || std::same_as<T, std::string> || std::same_as<T, RawJson> || std::same_as<T, EmptyObject>)
void read_json(JsonReader& reader, T& value) {
  reader.read(value);
}
template <typename T>
void read_json(JsonReader& reader, std::optional<T>& value) {
  if (reader.read_null()) {
    value.reset();
  } else {
    read_json(reader, value ? *value : value.emplace());
  }
}
template <typename T>
void read_json(JsonReader& reader, std::vector<T>& values) {
  values.clear();
  if (reader.read_null()) return;
  reader.read_array(std::same_as<T, std::string> ? "[]string" : "[]struct", [&] { read_json(reader, values.emplace_back()); });
}
template <typename T>
void read_json(JsonReader& reader, std::map<std::string, T>& values) {
  values.clear();
  if (reader.read_null()) return;
  reader.read_object(std::same_as<T, std::string> ? "map[string]string" : "map[string]struct", [&](std::string_view name) {
    T& value = values[std::string(name)];
    value = T{};
    read_json(reader, value);
  });
}

template <typename T>
std::string to_json(const T& value) {
  std::string out;
  JsonWriter writer(out);
  write_json(writer, value);
  return out;
}

/// The value of a whole JSON text. @errors invalid_argument: "invalid JSON: ..." in Go's words, "unexpected content after JSON".
template <typename T>
T parse_json(std::string_view text) {
  JsonReader reader(text);
  T value{};
  if (!reader.read_null()) read_json(reader, value);
  reader.finish();
  return value;
}

}  // namespace sockerless::api
