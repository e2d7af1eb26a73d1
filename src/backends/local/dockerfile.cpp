#include "backends/local/dockerfile.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

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
  if (instruction.keyword == "ONBUILD") check_trigger(instruction);
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

/// What stands between the braces of ${...}.
std::string replace_braced(std::string_view body, const std::map<std::string, std::string>& variables, char escape) {
  std::size_t end = 0;
  while (end < body.size() && is_name_char(body[end])) ++end;
  const auto found = variables.find(std::string(body.substr(0, end)));
  const bool is_set = found != variables.end() && !found->second.empty();
  const std::string_view rest = body.substr(end);
  if (end == 0) throw Error::invalid_argument("failed to process \"${{{}}}\": bad substitution", body);
  if (rest.empty()) return found == variables.end() ? std::string() : found->second;
  if (rest.starts_with(":-")) return is_set ? found->second : replace_variables(rest.substr(2), variables, escape);
  if (rest.starts_with(":+")) return is_set ? replace_variables(rest.substr(2), variables, escape) : std::string();
  throw Error::invalid_argument("failed to process \"${{{}}}\": unsupported modifier ({}) in substitution", body, rest.substr(0, 2));
}

std::size_t closing_brace(std::string_view text, std::size_t from) {
  int depth = 1;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '{' && text[i - 1] == '$') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  throw Error::invalid_argument("failed to process \"{}\": syntax error: missing '}}'", text);
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
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == escape && i + 1 < text.size()) {
      result += text[++i];
    } else if (text[i] != '$' || i + 1 == text.size()) {
      if (text[i] != '"' && text[i] != '\'') result += text[i];
    } else if (text[i + 1] == '{') {
      const std::size_t end = closing_brace(text, i + 2);
      result += replace_braced(text.substr(i + 2, end - i - 2), variables, escape);
      i = end;
    } else {
      std::size_t end = i + 1;
      while (end < text.size() && is_name_char(text[end])) ++end;
      const auto found = variables.find(std::string(text.substr(i + 1, end - i - 1)));
      if (found != variables.end()) result += found->second;
      if (end == i + 1) result += '$';
      i = end - 1;
    }
  }
  return result;
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
  const char escape = directives_.empty() ? '\\' : '`';
  for (const auto& instruction : preamble_) {
    for (const auto& word : split_words(instruction.arguments)) {
      const std::size_t equals = std::min(word.find('='), word.size());
      const std::string name = word.substr(0, equals);
      const auto given = arguments.find(name);
      if (given != arguments.end() && given->second) {
        known[name] = *given->second;
      } else if (equals < word.size()) {
        known[name] = replace_variables(std::string_view(word).substr(equals + 1), known, escape);
      }
    }
  }
  return known;
}

std::optional<std::string> Dockerfile::base_image(std::size_t stage, const BuildArguments& arguments) const {
  const char escape = directives_.empty() ? '\\' : '`';
  std::string name = replace_variables(stages_[stage].base, variables(arguments), escape);
  if (name.empty()) throw Error::invalid_argument("base name ({}) should not be blank", stages_[stage].base);
  if (name == "scratch" || names_stage(name, stage)) return std::nullopt;
  return name;
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
  const auto add_name = [&](const std::optional<std::string>& name) {
    if (name && std::ranges::find(names, *name) == names.end()) names.push_back(*name);
  };
  for (std::size_t i = 0; i <= target; ++i) {
    add_name(base_image(i, arguments));
    for (const auto& instruction : stages_[i].instructions) {
      if (instruction.keyword == "FROM") continue;
      for (const auto& flag : instruction.flags) add_name(source_image(flag, i));
    }
  }
  return names;
}

std::string Dockerfile::with_images(const std::map<std::string, std::string>& replacements, const BuildArguments& arguments) const {
  std::string text = directives_;
  for (const auto& instruction : preamble_) text += instruction.raw;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    for (const auto& instruction : stages_[i].instructions) {
      std::string line = instruction.text + "\n";
      bool changed = false;
      if (instruction.keyword == "FROM") {
        const auto name = base_image(i, arguments);
        const auto found = name ? replacements.find(*name) : replacements.end();
        if (found != replacements.end()) {
          // Only what follows the flags: a platform may be written with the same letters.
          line = "FROM ";
          if (const auto platform = value_of_flag(instruction.flags, "--platform=")) line += "--platform=" + *platform + " ";
          line += found->second + (stages_[i].name.empty() ? "\n" : " AS " + stages_[i].name + "\n");
          changed = true;
        }
      } else {
        for (const auto& flag : instruction.flags) {
          const auto name = source_image(flag, i);
          const auto found = name ? replacements.find(*name) : replacements.end();
          if (found == replacements.end()) continue;
          std::string replaced = flag;
          replace_word(replaced, "from=" + *name, "from=" + found->second);
          replace_word(line, flag, replaced);
          changed = true;
        }
      }
      text += changed ? line : instruction.raw;
    }
  }
  return text;
}

}  // namespace sockerless::local
