#include "backends/local/dockerfile.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "backends/local/dockerfile_lines.hpp"
#include "base/error.hpp"
#include "oci/manifest.hpp"

namespace sockerless::local {

namespace {

struct Rule {
  std::string_view keyword;
  std::size_t minimum;
  std::size_t maximum;
  bool one_text;  // the rest of the line is one argument, spaces included
};

constexpr std::size_t kMaxStages = 1000;
constexpr std::size_t kMaxNesting = 32;
constexpr std::size_t kMaxExpanded = 64UL * 1024;
constexpr std::size_t kMaxVariables = 1UL << 20;  // all that the expansions of one file come to
constexpr std::size_t kMaxName = 4096;

constexpr std::size_t kAny = SIZE_MAX;
constexpr std::array kRules{
    Rule{"ADD", 2, kAny, false},         Rule{"ARG", 1, kAny, false},   Rule{"CMD", 0, kAny, false},    Rule{"COPY", 2, kAny, false},
    Rule{"ENTRYPOINT", 0, kAny, false},  Rule{"ENV", 1, kAny, false},   Rule{"EXPOSE", 1, kAny, false}, Rule{"FROM", 1, 3, false},
    Rule{"HEALTHCHECK", 1, kAny, false}, Rule{"LABEL", 1, kAny, false}, Rule{"MAINTAINER", 1, 1, true}, Rule{"ONBUILD", 1, kAny, false},
    Rule{"RUN", 1, kAny, false},         Rule{"SHELL", 1, kAny, false}, Rule{"STOPSIGNAL", 1, 1, true}, Rule{"USER", 1, 1, true},
    Rule{"VOLUME", 1, kAny, false},      Rule{"WORKDIR", 1, 1, true},
};

template <typename... Args>
Error parse_error(std::size_t line, fmt::format_string<Args...> text, Args&&... args) {
  return Error::invalid_argument("dockerfile parse error line {}: {}", line, fmt::format(text, std::forward<Args>(args)...));
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_stage_name(std::string_view name) {
  if (name.empty() || std::islower(static_cast<unsigned char>(name.front())) == 0) return false;
  return std::ranges::all_of(name, [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
           c == '.';
  });
}

void check_count(const Instruction& instruction, const Rule& rule) {
  const auto words = rule.one_text ? std::vector<std::string>(instruction.arguments.empty() ? 0 : 1) : list_words(instruction.arguments);
  if (words.size() >= rule.minimum && words.size() <= rule.maximum) return;
  if (rule.minimum == 2) {
    throw parse_error(instruction.line,
                      "{} requires at least two arguments, but only one was provided. Destination could not be determined", rule.keyword);
  }
  throw parse_error(instruction.line, "{} requires {} one argument", rule.keyword, rule.maximum == 1 ? "exactly" : "at least");
}

void check_trigger(const Instruction& instruction) {
  const std::string keyword = upper_word(instruction.arguments);
  if (keyword == "ONBUILD") throw parse_error(instruction.line, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword == "MAINTAINER" || keyword == "FROM") {
    throw parse_error(instruction.line, "{} isn't allowed as an ONBUILD trigger", keyword);
  }
}

/// A flag without its quotes. Nothing: it may end elsewhere for another reader, as with white space within quotes or after a backslash.
std::optional<std::string> unquoted(std::string_view flag) {
  std::string result;
  char quote = 0;
  for (const char c : flag) {
    if (c == '\\' || c == '`' || c == '\x85' || c == '\xA0') return std::nullopt;  // the last two are white space in Latin 1
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      result += c;
    }
  }
  return quote == 0 ? std::optional(result) : std::nullopt;
}

bool names_image(const Instruction& instruction) {
  return std::ranges::any_of(instruction.flags, [](const std::string& flag) {
    return flag.starts_with("--from=") || (flag.starts_with("--mount=") && flag.find("from=") != std::string::npos);
  });
}

std::size_t count_of(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size())) ++count;
  return count;
}

/// What names an image is read here and by the builder: it must not be written so that the two could differ.
void check_flags(const Instruction& instruction) {
  for (const auto& flag : instruction.flags) {
    const auto plain = unquoted(flag);
    if (!plain) {
      throw parse_error(instruction.line, "{} has an open quote, an escape or white space in the flag {}", instruction.keyword, flag);
    }
    const std::string_view name = std::string_view(*plain).substr(0, plain->find('='));
    if (name.find('$') == std::string_view::npos && name != "--from" && name != "--mount") continue;
    if (flag.find_first_of("\"'$") != std::string::npos) {
      throw parse_error(instruction.line, "{} allows neither quotes nor variables in the flag {}", instruction.keyword, flag);
    }
    if (name == "--mount" && count_of(flag, ",from=") + count_of(flag, "=from=") > 1) {
      throw parse_error(instruction.line, "{} has more than one source in the flag {}", instruction.keyword, flag);
    }
  }
  // White space that is none in ASCII.
  std::string_view rest = instruction.arguments;
  while (!rest.empty() && (static_cast<unsigned char>(rest.front()) >= 0x80 || rest.front() == ' ')) rest.remove_prefix(1);
  if (rest.size() < instruction.arguments.size() && rest.starts_with("--")) {
    throw parse_error(instruction.line, "{} has an invalid character before its flags", instruction.keyword);
  }
}

bool has_images(std::string_view keyword) { return keyword == "COPY" || keyword == "ADD" || keyword == "RUN"; }

/// Another build runs it, where no name of this one means anything.
void check_trigger_flags(const Instruction& instruction) {
  Instruction trigger;
  trigger.text = instruction.arguments;
  trigger.line = instruction.line;
  take_apart(trigger);
  if (!has_images(trigger.keyword)) return;
  check_flags(trigger);
  if (names_image(trigger)) throw parse_error(instruction.line, "{} with an image isn't allowed as an ONBUILD trigger", trigger.keyword);
}

/// ENV and LABEL: one name and its value, or name=value pairs. Docker's parser finds this before it knows of lines.
void check_pairs(const Instruction& instruction) {
  const auto words = list_words(instruction.arguments);
  if (words.empty() || words.front().find('=') != std::string::npos) return;
  if (words.size() < 2) throw Error::invalid_argument("failed to parse Dockerfile: {} must have two arguments", instruction.keyword);
}

void check(const Instruction& instruction) {
  const auto rule = std::ranges::find(kRules, instruction.keyword, &Rule::keyword);
  if (rule == kRules.end()) throw parse_error(instruction.line, "unknown instruction: {}", instruction.keyword);
  if (instruction.keyword == "FROM") return;  // counted by words where it becomes a stage
  check_count(instruction, *rule);
  if (has_images(instruction.keyword)) check_flags(instruction);
  if (instruction.keyword == "ONBUILD") {
    check_trigger(instruction);
    check_trigger_flags(instruction);
  }
  if (instruction.keyword == "ENV" || instruction.keyword == "LABEL") check_pairs(instruction);
  if (instruction.keyword == "SHELL" && !instruction.arguments.starts_with('[')) {
    throw parse_error(instruction.line, "SHELL requires the arguments to be in JSON form");
  }
}

BuildStage make_stage(Instruction from) {
  const auto words = split_words(from.arguments);
  if (words.size() != 1 && (words.size() != 3 || upper_word(words[1]) != "AS")) {
    throw parse_error(from.line, "FROM requires either one or three arguments");
  }
  BuildStage stage;
  stage.base = words.front();
  if (words.size() == 3) {
    stage.name = lower(words[2]);
    if (!is_stage_name(stage.name)) {
      throw parse_error(from.line, "invalid name for build stage: \"{}\", name can't start with a number or contain symbols", words[2]);
    }
  }
  stage.instructions.push_back(std::move(from));
  return stage;
}

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The start of a text that may be long, for an error.
std::string_view start_of(std::string_view text) { return text.substr(0, 128); }

using Variables = std::map<std::string, std::string>;

std::string replace_within(std::string_view text, const Variables& variables, char escape, std::size_t depth);

/// What stands between the braces of ${...}.
std::string replace_braced(std::string_view body, const Variables& variables, char escape, std::size_t depth) {
  std::size_t end = 0;
  while (end < body.size() && is_name_char(body[end])) ++end;
  const auto found = variables.find(std::string(body.substr(0, end)));
  const bool is_set = found != variables.end() && !found->second.empty();
  const std::string_view rest = body.substr(end);
  if (end == 0) throw Error::invalid_argument("failed to process \"${{{}}}\": bad substitution", start_of(body));
  if (rest.empty()) return found == variables.end() ? std::string() : found->second;
  if (rest.starts_with(":-")) return is_set ? found->second : replace_within(rest.substr(2), variables, escape, depth + 1);
  if (rest.starts_with(":+")) return is_set ? replace_within(rest.substr(2), variables, escape, depth + 1) : std::string();
  throw Error::invalid_argument("failed to process \"${{{}}}\": unsupported modifier ({}) in substitution", start_of(body),
                                rest.substr(0, 2));
}

std::size_t closing_brace(std::string_view text, std::size_t from) {
  int depth = 1;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '{' && text[i - 1] == '$') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  throw Error::invalid_argument("failed to process \"{}\": syntax error: missing '}}'", start_of(text));
}

std::string replace_within(std::string_view text, const Variables& variables, char escape, std::size_t depth) {
  if (depth > kMaxNesting) {
    throw Error::invalid_argument("failed to process \"{}\": substitutions nested more than {} deep", start_of(text), kMaxNesting);
  }
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == escape && i + 1 < text.size()) {
      result += text[++i];
    } else if (text[i] != '$' || i + 1 == text.size()) {
      if (text[i] != '"' && text[i] != '\'') result += text[i];
    } else if (text[i + 1] == '{') {
      const std::size_t end = closing_brace(text, i + 2);
      result += replace_braced(text.substr(i + 2, end - i - 2), variables, escape, depth);
      i = end;
    } else {
      std::size_t end = i + 1;
      while (end < text.size() && is_name_char(text[end])) ++end;
      const auto found = variables.find(std::string(text.substr(i + 1, end - i - 1)));
      if (found != variables.end()) result += found->second;
      if (end == i + 1) result += '$';
      i = end - 1;
    }
    if (result.size() > kMaxExpanded) {
      throw Error::invalid_argument("failed to process \"{}\": the result is longer than {} bytes", start_of(text), kMaxExpanded);
    }
  }
  return result;
}

std::optional<std::string> value_of_flag(const std::vector<std::string>& flags, std::string_view prefix) {
  for (const auto& flag : flags) {
    if (flag.starts_with(prefix)) return flag.substr(prefix.size());
  }
  return std::nullopt;
}

/// "type=bind,from=image,target=/x" names an image too.
std::optional<std::string> from_of_mount(std::string_view options) {
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(','), options.size());
    if (options.starts_with("from=")) return std::string(options.substr(5, end - 5));
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return std::nullopt;
}

void replace_word(std::string& text, std::string_view word, std::string_view replacement) {
  if (const auto at = text.find(word); at != std::string::npos) text.replace(at, word.size(), replacement);
}

}  // namespace

std::string replace_variables(std::string_view text, const std::map<std::string, std::string>& variables, char escape) {
  return replace_within(text, variables, escape, 0);
}

std::vector<std::string> list_words(std::string_view text) {
  if (!text.starts_with('[')) return split_words(text);
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(text, error);
  const bool is_list =
      !error && parsed.is_array() && std::ranges::all_of(parsed.get_array(), [](const auto& item) { return item.is_string(); });
  if (!is_list) return split_words(text);
  std::vector<std::string> words;
  for (const auto& item : parsed.get_array()) words.emplace_back(item.get_string());
  return words;
}

void Dockerfile::add(Instruction instruction) {
  check(instruction);
  if (instruction.keyword == "FROM") {
    if (stages_.size() == kMaxStages) throw parse_error(instruction.line, "more than {} build stages", kMaxStages);
    stages_.push_back(make_stage(std::move(instruction)));
  } else if (!stages_.empty()) {
    stages_.back().instructions.push_back(std::move(instruction));
  } else if (instruction.keyword == "ARG") {
    preamble_.push_back(std::move(instruction));
  } else {
    throw Error::invalid_argument("no build stage in current context");
  }
}

Dockerfile Dockerfile::parse(std::string_view text, std::string_view name) {
  DockerfileLines lines(text);
  Dockerfile file;
  file.directives_ = lines.escape() == '`' ? "# escape=`\n" : "";
  bool is_empty = true;
  while (auto instruction = lines.next()) {
    is_empty = false;
    file.add(std::move(*instruction));
  }
  if (is_empty) {
    throw text.empty() ? Error::invalid_argument("the Dockerfile ({}) cannot be empty", name)
                       : Error::invalid_argument("failed to parse Dockerfile: file with no instructions");
  }
  return file;
}

std::size_t Dockerfile::find_target(std::string_view target) const {
  if (stages_.empty()) throw Error::invalid_argument("No image was generated. Is your Dockerfile empty?");
  if (target.empty()) return stages_.size() - 1;
  const std::string wanted = lower(target);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].name == wanted || std::to_string(i) == wanted) return i;
  }
  throw Error::invalid_argument("failed to reach build target {} in Dockerfile", target);
}

bool Dockerfile::names_stage(std::string_view reference, std::size_t before) const {
  const std::string wanted = lower(reference);
  for (std::size_t i = 0; i < before; ++i) {
    if (stages_[i].name == wanted) return true;
  }
  return false;
}

std::map<std::string, std::string> Dockerfile::variables(const BuildArguments& arguments) const {
  const oci::Platform host = oci::Platform::host();
  std::map<std::string, std::string> known;
  for (const std::string_view side : {"TARGET", "BUILD"}) {
    known[std::string(side) + "PLATFORM"] = host.str();
    known[std::string(side) + "OS"] = host.os;
    known[std::string(side) + "ARCH"] = host.architecture;
    known[std::string(side) + "VARIANT"] = host.variant;
  }
  std::size_t expanded = 0;
  for (const auto& instruction : preamble_) {
    for (const auto& word : split_words(instruction.arguments)) {
      const std::size_t equals = std::min(word.find('='), word.size());
      const std::string name = word.substr(0, equals);
      const auto given = arguments.find(name);
      if (given != arguments.end() && given->second) {
        known[name] = *given->second;
      } else if (equals < word.size()) {
        std::string value = replace_variables(std::string_view(word).substr(equals + 1), known, escape());
        expanded += value.size();
        if (expanded > kMaxVariables) throw parse_error(instruction.line, "the values of ARG are longer than {} bytes", kMaxVariables);
        known[name] = std::move(value);
      }
    }
  }
  return known;
}

std::string Dockerfile::base_name(std::size_t stage, const std::map<std::string, std::string>& known) const {
  std::string name = replace_variables(stages_[stage].base, known, escape());
  if (name.empty()) throw Error::invalid_argument("base name ({}) should not be blank", start_of(stages_[stage].base));
  const bool is_one_word = std::ranges::none_of(name, [](unsigned char c) { return c <= ' '; });
  if (name.size() > kMaxName || !is_one_word)
    throw Error::invalid_argument("failed to parse stage name \"{}\": invalid reference format", start_of(name));
  return name;
}

std::optional<std::string> Dockerfile::image_name(std::size_t stage, std::string name) const {
  if (name == "scratch" || names_stage(name, stage)) return std::nullopt;
  return name;
}

std::optional<std::string> Dockerfile::base_image(std::size_t stage, const BuildArguments& arguments) const {
  return image_name(stage, base_name(stage, variables(arguments)));
}

std::vector<std::optional<std::string>> Dockerfile::base_images(std::size_t target, const BuildArguments& arguments) const {
  const auto known = variables(arguments);
  std::vector<std::optional<std::string>> names;
  for (std::size_t i = 0; i <= target; ++i) names.push_back(image_name(i, base_name(i, known)));
  return names;
}

std::optional<std::string> Dockerfile::source_image(const std::string& flag, std::size_t stage) const {
  std::optional<std::string> name;
  if (flag.starts_with("--from=")) name = flag.substr(7);
  if (flag.starts_with("--mount=")) name = from_of_mount(std::string_view(flag).substr(8));
  if (!name || name->empty() || *name == "scratch" || names_stage(*name, stage)) return std::nullopt;
  const bool is_number = std::ranges::all_of(*name, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (is_number && name->size() < 4) return std::nullopt;  // a stage; the builder knows whether there is one
  return name;
}

std::vector<std::string> Dockerfile::images(std::size_t target, const BuildArguments& arguments) const {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add_name = [&](const std::optional<std::string>& name) {
    if (name && seen.insert(*name).second) names.push_back(*name);
  };
  const auto bases = base_images(target, arguments);
  for (std::size_t i = 0; i <= target; ++i) {
    add_name(bases[i]);
    for (const auto& instruction : stages_[i].instructions) {
      if (instruction.keyword == "FROM") continue;
      for (const auto& flag : instruction.flags) add_name(source_image(flag, i));
    }
  }
  return names;
}

std::string Dockerfile::from_line(std::size_t stage, const std::map<std::string, std::string>& known,
                                  const std::map<std::string, std::string>& replacements) const {
  std::string name = base_name(stage, known);
  const auto found = image_name(stage, name) ? replacements.find(name) : replacements.end();
  if (found != replacements.end()) name = found->second;
  std::string line = "FROM ";
  if (const auto platform = value_of_flag(stages_[stage].instructions.front().flags, "--platform=")) {
    line += "--platform=" + *platform + " ";
  }
  return line + name + (stages_[stage].name.empty() ? "" : " AS " + stages_[stage].name);
}

std::string Dockerfile::line_of(const Instruction& instruction, std::size_t stage,
                                const std::map<std::string, std::string>& replacements) const {
  std::string line = instruction.keyword;
  bool changed = false;
  for (std::string flag : instruction.flags) {
    const auto name = source_image(flag, stage);
    const auto found = name ? replacements.find(*name) : replacements.end();
    if (found != replacements.end()) {
      replace_word(flag, "from=" + *name, "from=" + found->second);
      changed = true;
    }
    line += " " + flag;
  }
  return changed ? line + " " + instruction.arguments : instruction.text;
}

std::string Dockerfile::with_images(const std::map<std::string, std::string>& replacements, const BuildArguments& arguments) const {
  const auto known = variables(arguments);
  std::string text = directives_;
  for (const auto& instruction : preamble_) text += lines_of(instruction.text, escape());
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    for (const auto& instruction : stages_[i].instructions) {
      const std::string line = instruction.keyword == "FROM" ? from_line(i, known, replacements) : line_of(instruction, i, replacements);
      text += lines_of(line, escape());
    }
  }
  return text;
}

}  // namespace sockerless::local
