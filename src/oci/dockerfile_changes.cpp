#include "oci/dockerfile_changes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

/// Up to the first white space, and what follows it.
std::pair<std::string_view, std::string_view> split_word(std::string_view text) {
  const auto end = static_cast<std::size_t>(std::ranges::find_if(text, is_space) - text.begin());
  return {text.substr(0, end), trim(text.substr(end))};
}

/// The instructions: lines without comments, continued lines joined.
std::vector<std::string> logical_lines(const std::vector<std::string>& changes) {
  std::vector<std::string> lines;
  std::string current;
  bool continues = false;
  for (const auto& change : changes) {
    for (std::size_t at = 0; at <= change.size();) {
      const auto end = std::min(change.find('\n', at), change.size());
      std::string_view line = std::string_view(change).substr(at, end - at);
      at = end + 1;
      if (trim(line).starts_with('#') || (trim(line).empty())) continue;
      if (!continues) line = trim(line);
      std::string_view stripped = line;
      while (!stripped.empty() && (stripped.back() == ' ' || stripped.back() == '\t')) stripped.remove_suffix(1);
      continues = stripped.ends_with('\\');
      current += continues ? stripped.substr(0, stripped.size() - 1) : line;
      if (continues) continue;
      lines.push_back(std::move(current));
      current.clear();
    }
  }
  if (!trim(current).empty()) lines.push_back(std::move(current));
  return lines;
}

/// Words at white space; quotes and backslashes keep their meaning for later and stay in the words.
std::vector<std::string> quoted_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && is_space(c)) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\\' && quote != '\'') {
      if (i + 1 == text.size()) break;
      word += c;
      word += text[++i];
      continue;
    }
    if (quote == '\0' && (c == '"' || c == '\''))
      quote = c;
    else if (c == quote)
      quote = '\0';
    word += c;
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

/// Takes quotes away and puts the environment's values in place of $name, ${name}, ${name:-default} and ${name:+alternative}.
class WordExpander {
 public:
  explicit WordExpander(const json::object& config) : config_(config) {}

  std::string expand(std::string_view word) const {
    std::string result;
    std::size_t at = 0;
    bool in_double = false;
    while (at < word.size()) {
      const char c = word[at];
      if (c == '\'' && !in_double) {
        const auto end = word.find('\'', at + 1);
        if (end == std::string_view::npos)
          throw Error::invalid_argument("unexpected end of statement while looking for matching single-quote");
        result += word.substr(at + 1, end - at - 1);
        at = end + 1;
      } else if (c == '"') {
        in_double = !in_double;
        ++at;
      } else if (c == '\\') {
        take_escape(word, at, in_double, result);
      } else if (c == '$') {
        take_variable(word, at, result);
      } else {
        result += c;
        ++at;
      }
    }
    if (in_double) throw Error::invalid_argument("unexpected end of statement while looking for matching double-quote");
    return result;
  }

 private:
  static void take_escape(std::string_view word, std::size_t& at, bool in_double, std::string& result) {
    if (at + 1 == word.size()) {
      ++at;
      return;
    }
    const char next = word[at + 1];
    // Between double quotes a backslash escapes only what is special there.
    if (in_double && next != '"' && next != '$' && next != '\\') result += '\\';
    result += next;
    at += 2;
  }

  void take_variable(std::string_view word, std::size_t& at, std::string& result) const {
    ++at;
    if (at < word.size() && word[at] == '{') return take_braced(word, at, result);
    const std::string_view name = name_at(word, at);
    if (name.empty()) {
      result += '$';
      return;
    }
    at += name.size();
    result += value_of(name).value_or("");
  }

  void take_braced(std::string_view word, std::size_t& at, std::string& result) const {
    const auto end = word.find('}', at);
    if (end == std::string_view::npos) throw Error::invalid_argument("unexpected end of statement while looking for matching }}");
    std::string_view inside = word.substr(at + 1, end - at - 1);
    at = end + 1;
    const std::string_view name = name_at(inside, 0);
    if (name.empty()) throw Error::invalid_argument("syntax error: bad substitution");
    inside.remove_prefix(name.size());
    const auto value = value_of(name);
    if (inside.empty()) {
      result += value.value_or("");
    } else if (inside.starts_with(":-")) {
      result += value && !value->empty() ? *value : expand(inside.substr(2));
    } else if (inside.starts_with(":+")) {
      if (value && !value->empty()) result += expand(inside.substr(2));
    } else {
      throw Error::invalid_argument("unsupported modifier ({}) in substitution", inside.substr(0, 2));
    }
  }

  static std::string_view name_at(std::string_view word, std::size_t at) {
    std::size_t end = at;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    while (end < word.size() && (is_letter(word[end]) || (end > at && word[end] >= '0' && word[end] <= '9'))) ++end;
    return word.substr(at, end - at);
  }

  std::optional<std::string> value_of(std::string_view name) const {
    const json::value* environment = config_.if_contains("Env");
    if (environment == nullptr || !environment->is_array()) return std::nullopt;
    for (const auto& item : environment->get_array()) {
      if (!item.is_string()) continue;
      const std::string_view entry = item.get_string();
      if (entry.starts_with(name) && entry.substr(name.size()).starts_with('=')) return std::string(entry.substr(name.size() + 1));
    }
    return std::nullopt;
  }

  const json::object& config_;
};

/// The JSON array of strings that an instruction's text may be; nothing: it is not JSON, so it is the shell form.
std::optional<json::array> find_json_form(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  boost::system::error_code failure;
  json::value value = json::parse(text, failure);
  if (failure || !value.is_array()) return std::nullopt;
  for (const auto& item : value.get_array()) {
    if (!item.is_string()) throw Error::invalid_argument("when using JSON array syntax, arrays must be comprised of strings only");
  }
  return std::move(value.get_array());
}

json::object& object_member(json::object& config, std::string_view name) {
  json::value& member = config[name];
  if (!member.is_object()) member.emplace_object();
  return member.get_object();
}

json::array& array_member(json::object& config, std::string_view name) {
  json::value& member = config[name];
  if (!member.is_array()) member.emplace_array();
  return member.get_array();
}

/// One instruction: `CMD`, its --flags and the text after them.
struct Instruction {
  std::string name;
  std::vector<std::pair<std::string, std::string>> flags;
  std::string_view text;
};

Instruction parse_instruction(std::string_view line) {
  auto [name, rest] = split_word(trim(line));
  Instruction instruction{lower(name), {}, rest};
  while (instruction.text.starts_with("--")) {
    const auto [flag, after] = split_word(instruction.text);
    instruction.text = after;
    if (flag == "--") break;
    const auto equals = std::min(flag.find('='), flag.size());
    if (equals == flag.size()) throw Error::invalid_argument("Missing a value on flag: {}", flag.substr(2));
    instruction.flags.emplace_back(flag.substr(2, equals - 2), flag.substr(equals + 1));
  }
  return instruction;
}

/// Carries out instructions on a configuration.
class Changes {
 public:
  explicit Changes(json::object config) : config_(std::move(config)) {}

  void apply(std::string_view line) {
    const Instruction instruction = parse_instruction(line);
    const auto& name = instruction.name;
    if (!instruction.flags.empty() && name != "healthcheck") throw Error::invalid_argument("Unknown flag: {}", instruction.flags[0].first);
    const std::string_view text = instruction.text;
    if (name == "cmd") return command(text);
    if (name == "entrypoint") return entrypoint(text);
    if (name == "env") return env(text);
    if (name == "expose") return expose(text);
    if (name == "healthcheck") return healthcheck(instruction);
    if (name == "label") return label(text);
    if (name == "onbuild") return onbuild(text);
    if (name == "stopsignal") return set_text("STOPSIGNAL", "StopSignal", text);
    if (name == "user") return set_text("USER", "User", text);
    if (name == "volume") return volume(text);
    if (name == "workdir") return workdir(text);
    throw Error::invalid_argument("{} is not a valid change command", name);
  }

  json::object take() { return std::move(config_); }

 private:
  std::string expand(std::string_view word) const { return WordExpander(config_).expand(word); }

  json::array in_shell(std::string_view text) const {
    json::array arguments;
    const json::value* shell = config_.if_contains("Shell");
    if (shell != nullptr && shell->is_array() && !shell->get_array().empty()) {
      arguments = shell->get_array();
    } else {
      arguments = {"/bin/sh", "-c"};
    }
    if (!text.empty()) arguments.emplace_back(text);
    return arguments;
  }

  void command(std::string_view text) {
    auto list = find_json_form(text);
    if (!text.empty()) command_set_ = true;
    config_["Cmd"] = list ? *std::move(list) : in_shell(text);
  }

  void entrypoint(std::string_view text) {
    if (auto list = find_json_form(text)) {
      if (list->empty())
        config_["Entrypoint"] = nullptr;
      else
        config_["Entrypoint"] = *std::move(list);
    } else if (text.empty()) {
      config_["Entrypoint"] = nullptr;
    } else {
      config_["Entrypoint"] = in_shell(text);
    }
    if (!command_set_) config_["Cmd"] = nullptr;  // the command was made for another entrypoint
  }

  /// "a=b c='d e'", or the old "name value with blanks".
  std::vector<std::pair<std::string, std::string>> name_values(std::string_view text, std::string_view instruction) const {
    const auto words = quoted_words(text);
    if (words.empty()) throw Error::invalid_argument("{} requires at least one argument", instruction);
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!words[0].contains('=')) {
      const auto [name, value] = split_word(text);
      if (value.empty()) throw Error::invalid_argument("{} must have two arguments", instruction);
      pairs.emplace_back(expand(name), expand(value));
      return pairs;
    }
    for (const auto& word : words) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) {
        throw Error::invalid_argument("Syntax error - can't find = in \"{}\". Must be of the form: name=value", word);
      }
      std::string name = expand(word.substr(0, equals));
      if (name.empty()) throw Error::invalid_argument("{} names can not be blank", instruction);
      pairs.emplace_back(std::move(name), expand(word.substr(equals + 1)));
    }
    return pairs;
  }

  void env(std::string_view text) {
    const auto pairs = name_values(text, "ENV");
    auto& list = array_member(config_, "Env");
    for (const auto& [name, value] : pairs) {
      const auto known = std::ranges::find_if(
          list, [&](const json::value& item) { return item.is_string() && std::string_view(item.get_string()).starts_with(name + "="); });
      std::string pair = fmt::format("{}={}", name, value);
      if (known == list.end())
        list.emplace_back(std::move(pair));
      else
        *known = std::move(pair);
    }
  }

  void label(std::string_view text) {
    const auto pairs = name_values(text, "LABEL");
    auto& labels = object_member(config_, "Labels");
    for (const auto& [name, value] : pairs) labels[name] = value;
  }

  void expose(std::string_view text) {
    if (text.empty()) throw Error::invalid_argument("EXPOSE requires at least one argument");
    auto& ports = object_member(config_, "ExposedPorts");
    for (const auto& word : quoted_words(text)) {
      const std::string expanded = expand(word);
      std::string_view rest = expanded;
      while (!trim(rest).empty()) {
        const auto [spec, after] = split_word(trim(rest));
        expose_port(ports, spec);
        rest = after;
      }
    }
  }

  static void expose_port(json::object& ports, std::string_view spec) {
    const auto slash = std::min(spec.find('/'), spec.size());
    const std::string protocol = slash == spec.size() ? "tcp" : lower(spec.substr(slash + 1));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") throw Error::invalid_argument("Invalid proto: {}", protocol);
    std::string_view range = spec.substr(0, slash);
    if (const auto colon = range.rfind(':'); colon != std::string_view::npos)
      range = range.substr(colon + 1);  // the host's side is ignored
    if (range.empty()) throw Error::invalid_argument("No port specified: {}<empty>", spec);
    const auto dash = std::min(range.find('-'), range.size());
    const auto number = [&range](std::string_view digits) {
      unsigned value = 0;
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc() || stop != digits.data() + digits.size() || value > 65535)
        throw Error::invalid_argument("Invalid containerPort: {}", range);
      return value;
    };
    const unsigned first = number(range.substr(0, dash));
    const unsigned last = dash == range.size() ? first : number(range.substr(dash + 1));
    if (last < first) throw Error::invalid_argument("Invalid containerPort: {}", range);
    for (unsigned port = first; port <= last; ++port) ports[fmt::format("{}/{}", port, protocol)] = json::object();
  }

  void healthcheck(const Instruction& instruction) {
    const auto [kind_text, rest] = split_word(instruction.text);
    if (kind_text.empty()) throw Error::invalid_argument("HEALTHCHECK requires at least one argument");
    const std::string kind = upper(kind_text);
    if (kind == "NONE") {
      if (!rest.empty()) throw Error::invalid_argument("HEALTHCHECK NONE takes no arguments");
      config_["Healthcheck"] = json::object{{"Test", json::array{"NONE"}}};
      return;
    }
    if (kind != "CMD") throw Error::invalid_argument("Unknown type \"{}\" in HEALTHCHECK (try CMD)", kind);
    auto list = find_json_form(rest);
    if (list ? list->empty() : rest.empty()) throw Error::invalid_argument("Missing command after HEALTHCHECK CMD");
    json::array test{list ? "CMD" : "CMD-SHELL"};
    if (list)
      test.insert(test.end(), list->begin(), list->end());
    else
      test.emplace_back(rest);
    json::object health{{"Test", std::move(test)}};
    for (const auto& [flag, value] : instruction.flags) take_health_flag(flag, value, health);
    config_["Healthcheck"] = std::move(health);
  }

  static void take_health_flag(const std::string& flag, const std::string& value, json::object& health) {
    if (flag == "retries") {
      int retries = 0;
      const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), retries);
      if (error != std::errc() || stop != value.data() + value.size())
        throw Error::invalid_argument("strconv.ParseInt: parsing \"{}\": invalid syntax", value);
      if (retries < 0) throw Error::invalid_argument("--retries cannot be negative ({})", retries);
      if (retries > 0) health["Retries"] = retries;
      return;
    }
    const char* member = flag == "interval"         ? "Interval"
                         : flag == "timeout"        ? "Timeout"
                         : flag == "start-period"   ? "StartPeriod"
                         : flag == "start-interval" ? "StartInterval"
                                                    : nullptr;
    if (member == nullptr) throw Error::invalid_argument("Unknown flag: {}", flag);
    const std::int64_t nanoseconds = parse_go_duration(value);
    if (nanoseconds == 0) return;
    if (nanoseconds < 1'000'000) throw Error::invalid_argument("Interval \"{}\" cannot be less than 1ms", flag);
    health[member] = nanoseconds;
  }

  void onbuild(std::string_view text) {
    if (text.empty()) throw Error::invalid_argument("ONBUILD requires at least one argument");
    const std::string trigger = upper(split_word(text).first);
    if (trigger == "ONBUILD") throw Error::invalid_argument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") throw Error::invalid_argument("{} isn't allowed as an ONBUILD trigger", trigger);
    array_member(config_, "OnBuild").emplace_back(text);
  }

  void set_text(std::string_view instruction, std::string_view member, std::string_view text) {
    if (text.empty()) throw Error::invalid_argument("{} requires exactly one argument", instruction);
    config_[member] = expand(text);
  }

  void volume(std::string_view text) {
    json::array paths;
    if (auto list = find_json_form(text)) {
      paths = *std::move(list);
    } else {
      for (const auto& word : quoted_words(text)) paths.emplace_back(word);
    }
    if (paths.empty()) throw Error::invalid_argument("VOLUME requires at least one argument");
    auto& volumes = object_member(config_, "Volumes");
    for (const auto& path : paths) {
      const std::string expanded = expand(trim(path.get_string()));
      if (expanded.empty()) throw Error::invalid_argument("VOLUME specified can not be an empty string");
      volumes[expanded] = json::object();
    }
  }

  void workdir(std::string_view text) {
    if (text.empty()) throw Error::invalid_argument("WORKDIR requires exactly one argument");
    std::string path = expand(text);
    if (path.empty()) throw Error::invalid_argument("cannot normalize nothing");
    if (!path.starts_with('/')) {
      const json::value* current = config_.if_contains("WorkingDir");
      const std::string base = current != nullptr && current->is_string() ? std::string(std::string_view(current->get_string())) : "";
      path = join_from_root(base, path);
    }
    config_["WorkingDir"] = path;
  }

  static std::string join_from_root(const std::string& base, const std::string& path) {
    std::vector<std::string> parts;
    const std::string joined = base + "/" + path;
    for (std::size_t at = 0; at <= joined.size();) {
      const auto slash = std::min(joined.find('/', at), joined.size());
      std::string part = joined.substr(at, slash - at);
      at = slash + 1;
      if (part == ".." && !parts.empty()) parts.pop_back();
      if (!part.empty() && part != "." && part != "..") parts.push_back(std::move(part));
    }
    return "/" + fmt::format("{}", fmt::join(parts, "/"));
  }

  json::object config_;
  bool command_set_ = false;
};

}  // namespace

std::int64_t parse_go_duration(std::string_view text) {
  const auto invalid = [&] { return Error::invalid_argument("time: invalid duration \"{}\"", text); };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) throw invalid();
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
                                                            {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9}};
  double total = 0;
  while (!rest.empty()) {
    double value = 0;
    if (rest[0] != '.' && (rest[0] < '0' || rest[0] > '9')) throw invalid();
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (error != std::errc()) throw invalid();
    rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
    const auto unit_end =
        static_cast<std::size_t>(std::ranges::find_if(rest, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) - rest.begin());
    const std::string_view unit = rest.substr(0, unit_end);
    const auto* known = std::ranges::find_if(kUnits, [&](const auto& candidate) { return candidate.first == unit; });
    if (known == std::end(kUnits)) throw invalid();
    total += value * known->second;
    rest.remove_prefix(unit_end);
  }
  if (total > 9.2e18) throw invalid();
  const auto nanoseconds = static_cast<std::int64_t>(std::llround(total));
  return negative ? -nanoseconds : nanoseconds;
}

json::object make_empty_config() {
  return {{"Hostname", ""},        {"Domainname", ""}, {"User", ""},         {"AttachStdin", false}, {"AttachStdout", false},
          {"AttachStderr", false}, {"Tty", false},     {"OpenStdin", false}, {"StdinOnce", false},   {"Env", nullptr},
          {"Cmd", nullptr},        {"Image", ""},      {"Volumes", nullptr}, {"WorkingDir", ""},     {"Entrypoint", nullptr},
          {"OnBuild", nullptr},    {"Labels", nullptr}};
}

json::object apply_changes(json::object config, const std::vector<std::string>& changes) {
  if (changes.empty()) return config;
  const auto lines = logical_lines(changes);
  if (lines.empty()) throw Error::invalid_argument("file with no instructions");
  Changes state(std::move(config));
  for (const auto& line : lines) state.apply(line);
  return state.take();
}

// Docker sorts the members of this document, so that it stays the same through a registry.
std::string make_import_document(const json::object& config, const Platform& platform, const Digest& diff_id, TimePoint created,
                                 const std::string& message) {
  const std::string when = format_rfc3339(created);
  json::object document;
  document["architecture"] = platform.architecture;
  if (!message.empty()) document["comment"] = message;
  document["config"] = config;
  document["created"] = when;
  document["docker_version"] = "sockerless " SOCKERLESS_VERSION;
  json::object history{{"created", when}};
  if (!message.empty()) history["comment"] = message;
  document["history"] = json::array{std::move(history)};
  document["os"] = platform.os;
  document["rootfs"] = json::object{{"type", "layers"}, {"diff_ids", json::array{diff_id.str()}}};
  if (!platform.variant.empty()) document["variant"] = platform.variant;
  return json::serialize(document);
}

namespace {

/// The command as `docker history` shows it.
std::string joined_command(const json::object& config) {
  std::string text;
  const json::value* command = config.if_contains("Cmd");
  if (command == nullptr || !command->is_array()) return text;
  for (const auto& word : command->get_array()) {
    if (!word.is_string()) continue;
    if (!text.empty()) text += ' ';
    text += std::string_view(word.get_string());
  }
  return text;
}

json::array array_of(const json::object& document, std::string_view name) {
  const json::value* member = document.if_contains(name);
  return member != nullptr && member->is_array() ? member->get_array() : json::array();
}

}  // namespace

std::string make_commit_document(const ImageDocument& parent, const CommittedLayer& layer) {
  const json::object before = json::parse(parent.raw).as_object();
  const bool is_empty = layer.diff_id == Digest::of(std::string(1024, '\0'));
  const std::string when = format_rfc3339(layer.created);
  json::array diff_ids;
  for (const Digest& diff_id : parent.diff_ids) diff_ids.emplace_back(diff_id.str());
  if (!is_empty) diff_ids.emplace_back(layer.diff_id.str());
  json::object step{{"created", when}};
  if (!layer.author.empty()) step["author"] = layer.author;
  if (const std::string command = joined_command(layer.container_config); !command.empty()) step["created_by"] = command;
  if (!layer.comment.empty()) step["comment"] = layer.comment;
  if (is_empty) step["empty_layer"] = true;
  json::array history = array_of(before, "history");
  history.push_back(std::move(step));

  json::object document;
  document["architecture"] = parent.architecture;
  if (!layer.author.empty()) document["author"] = layer.author;
  document["config"] = layer.config;
  document["container"] = layer.container;
  document["container_config"] = layer.container_config;
  document["created"] = when;
  document["docker_version"] = "sockerless " SOCKERLESS_VERSION;
  document["history"] = std::move(history);
  document["os"] = parent.os.empty() ? "linux" : parent.os;
  if (!parent.os_version.empty()) document["os.version"] = parent.os_version;
  document["rootfs"] = json::object{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
  if (!parent.variant.empty()) document["variant"] = parent.variant;
  return json::serialize(document);
}

}  // namespace sockerless::oci
