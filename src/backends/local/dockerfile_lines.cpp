#include "backends/local/dockerfile_lines.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";
constexpr std::size_t kMaxLine = 65535;
constexpr std::size_t kMaxJoined = 1UL << 20;
constexpr std::size_t kLongestWritten = 32UL * 1024;

std::string_view trim_left(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

bool is_comment(std::string_view line) { return trim_left(line).starts_with('#'); }

struct Directive {
  std::string name;
  std::string value;
};

/// "# escape=`"
std::optional<Directive> read_directive(std::string_view line) {
  if (!line.starts_with('#')) return std::nullopt;
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  std::string name(trim(line.substr(1, equals - 1)));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.empty() || !std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0; })) return std::nullopt;
  return Directive{std::move(name), std::string(trim(line.substr(equals + 1)))};
}

}  // namespace

std::string_view trim(std::string_view text) {
  text = trim_left(text);
  const std::size_t end = text.find_last_not_of(kSpace);
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (text = trim_left(text); !text.empty();) {
    const std::size_t end = std::min(text.find_first_of(kSpace), text.size());
    words.emplace_back(text.substr(0, end));
    text = trim_left(text.substr(end));
  }
  return words;
}

std::string upper_word(std::string_view text) {
  std::string word(text.substr(0, std::min(text.find_first_of(kSpace), text.size())));
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return word;
}

void take_apart(Instruction& instruction) {
  std::string_view rest = instruction.text;
  instruction.keyword = upper_word(rest);
  rest = trim_left(rest.substr(std::min(rest.find_first_of(kSpace), rest.size())));
  while (rest.starts_with("--")) {
    const std::size_t end = std::min(rest.find_first_of(kSpace), rest.size());
    if (end == 2) break;
    instruction.flags.emplace_back(rest.substr(0, end));
    rest = trim_left(rest.substr(end));
  }
  instruction.arguments = std::string(trim(rest));
}

std::string lines_of(std::string_view text, char escape) {
  const auto is_plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::string lines;
  while (text.size() > kLongestWritten) {
    // Within a word: white space and comments at the start of a line could read as something else.
    std::size_t end = kLongestWritten;
    while (end > 1 && !(is_plain(text[end - 1]) && is_plain(text[end]))) --end;
    if (end <= 1) throw Error::invalid_argument("failed to parse Dockerfile: an instruction of {} bytes without a word", text.size());
    lines.append(text.substr(0, end)).append({escape, '\n'});
    text.remove_prefix(end);
  }
  return lines.append(text) + "\n";
}

DockerfileLines::DockerfileLines(std::string_view text) : rest_(text) {
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  read_directives();
}

std::optional<std::string_view> DockerfileLines::read_line() {
  if (rest_.empty()) return std::nullopt;
  const std::size_t end = rest_.find('\n');
  const std::string_view line = rest_.substr(0, end == std::string_view::npos ? rest_.size() : end + 1);
  rest_.remove_prefix(line.size());
  ++line_number_;
  if (line.size() > kMaxLine) {
    throw Error::invalid_argument("failed to parse Dockerfile: dockerfile line greater than max allowed size of {}", kMaxLine);
  }
  return line;
}

void DockerfileLines::read_directives() {
  bool escape_seen = false;
  for (;;) {
    const std::string_view before = rest_;
    const std::size_t number = line_number_;
    const auto line = read_line();
    const auto directive = line ? read_directive(trim(*line)) : std::nullopt;
    if (!directive) {
      rest_ = before;
      line_number_ = number;
      return;
    }
    if (directive->name != "escape") continue;
    if (escape_seen) throw Error::invalid_argument("failed to parse Dockerfile: only one escape parser directive can be used");
    if (directive->value != "\\" && directive->value != "`") {
      throw Error::invalid_argument("failed to parse Dockerfile: invalid ESCAPE '{}'. Must be ` or \\", directive->value);
    }
    escape_seen = true;
    escape_ = directive->value.front();
  }
}

/// Cuts the end of the line off, and the mark of a continued one with what follows it. The end is LF or CR LF: another CR is text, and a
/// mark before it is none.
bool DockerfileLines::take_continuation(std::string& line) const {
  if (line.ends_with('\n')) line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
  const std::size_t last = line.find_last_not_of(" \t");
  if (last == std::string::npos || line[last] != escape_) return false;
  line.resize(last);
  return true;
}

std::optional<Instruction> DockerfileLines::next() {
  auto line = read_line();
  while (line && (trim(*line).empty() || is_comment(*line))) line = read_line();
  if (!line) return std::nullopt;
  Instruction instruction;
  instruction.line = line_number_;
  std::string piece(trim_left(*line));
  bool more = take_continuation(piece);
  instruction.text = piece;
  while (more && (line = read_line())) {
    if (trim(*line).empty() || is_comment(*line)) continue;
    piece = *line;
    more = take_continuation(piece);
    instruction.text += piece;
    if (instruction.text.size() > kMaxJoined) {
      throw Error::invalid_argument("failed to parse Dockerfile: dockerfile instruction greater than max allowed size of {}", kMaxJoined);
    }
  }
  instruction.text = std::string(trim(instruction.text));
  // It is written out for the builder, where this would continue it.
  if (!more && instruction.text.ends_with(escape_)) {
    throw Error::invalid_argument("dockerfile parse error line {}: white space after the last {}", instruction.line, escape_);
  }
  take_apart(instruction);
  return instruction;
}

}  // namespace sockerless::local
