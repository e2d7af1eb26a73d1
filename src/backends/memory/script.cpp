#include "backends/memory/script.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>

#include "api/signal.hpp"
#include "base/error.hpp"
#include "oci/dockerfile_changes.hpp"

namespace sockerless::memory {

namespace {

constexpr std::string_view kPrefix = "sockerless.sim.";
constexpr std::string_view kExecPrefix = "exec.";

/// What the parser gives, or nothing where it refuses.
template <typename Parse>
auto find_by(Parse parse) -> std::optional<decltype(parse())> {
  try {
    return parse();
  } catch (const Error&) {
    return std::nullopt;
  }
}

[[noreturn]] void refuse(std::string_view label, std::string_view value, std::string_view expected) {
  throw Error::invalid_argument("invalid label {}: \"{}\" is not {}", label, value, expected);
}

int parse_exit_code(std::string_view label, std::string_view value) {
  int code = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), code);
  if (failed != std::errc{} || end != value.data() + value.size() || code < 0 || code > 255)
    refuse(label, value, "an exit code (0 to 255)");
  return code;
}

bool parse_flag(std::string_view label, std::string_view value) {
  if (value == "true") return true;
  if (value == "false") return false;
  refuse(label, value, "\"true\" or \"false\"");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::set<int> parse_signals(std::string_view label, std::string_view value) {
  std::set<int> signals;
  for (const std::string_view name : split(value, ',')) {
    const auto number = find_by([&] { return api::parse_signal(name); });
    if (!number || *number == SIGKILL || *number == SIGSTOP) refuse(label, name, "a signal that can be ignored");
    signals.insert(*number);
  }
  return signals;
}

std::vector<ProbeResult> parse_health(std::string_view label, std::string_view value) {
  std::vector<ProbeResult> results;
  for (const std::string_view result : split(value, ',')) {
    if (result == "healthy") {
      results.push_back(ProbeResult::healthy);
    } else if (result == "unhealthy") {
      results.push_back(ProbeResult::unhealthy);
    } else if (result == "hang") {
      results.push_back(ProbeResult::hang);
    } else {
      refuse(label, result, "one of healthy, unhealthy, hang");
    }
  }
  return results;
}

bool comes_first(const ScriptedLine& a, const ScriptedLine& b) {
  return a.at != b.at ? a.at < b.at : a.stream == StdStream::out && b.stream == StdStream::err;
}

/// "@200ms text": a line with its time; "@@text" is a line that begins with one "@".
void parse_lines(std::string_view label, std::string_view value, StdStream stream, std::vector<ScriptedLine>& lines) {
  if (value.ends_with('\n')) value.remove_suffix(1);
  if (value.empty()) return;
  Duration at{};
  for (std::string_view line : split(value, '\n')) {
    if (line.starts_with("@@")) {
      line.remove_prefix(1);
    } else if (line.starts_with('@')) {
      const std::size_t space = std::min(line.find(' '), line.size());
      const auto time = find_duration(line.substr(1, space - 1));
      if (!time || *time < at) refuse(label, line, "a line with its time (\"@200ms text\", times ascending)");
      at = *time;
      line.remove_prefix(std::min(space + 1, line.size()));
    }
    const ScriptedLine scripted{at, stream, std::string(line) + '\n'};
    lines.insert(std::ranges::upper_bound(lines, scripted, comes_first), scripted);
  }
}

void read_label(ProcessScript& script, std::string_view label, std::string_view key, const std::string& value) {
  if (key == "exit_code") {
    script.exit_code = parse_exit_code(label, value);
  } else if (key == "run_time") {
    script.run_time = value == "forever" ? std::nullopt : find_duration(value);
    if (!script.run_time && value != "forever") refuse(label, value, "a duration (\"1.5s\") or \"forever\"");
  } else if (key == "stdout" || key == "stderr") {
    script.speaks = true;
    parse_lines(label, value, key == "stdout" ? StdStream::out : StdStream::err, script.lines);
  } else if (key == "stdin") {
    if (value != "discard" && value != "echo") refuse(label, value, "\"discard\" or \"echo\"");
    script.stdin_use = value == "echo" ? StdinUse::echo : StdinUse::discard;
  } else if (key == "start_error") {
    if (value.empty()) refuse(label, value, "an error's text");
    script.start_error = value;
  } else if (key == "start_exit_code") {
    script.start_exit_code = parse_exit_code(label, value);
    if (script.start_exit_code < 126 || script.start_exit_code > 128) refuse(label, value, "126, 127 or 128");
  } else if (key == "ignore_signals") {
    script.ignored_signals = parse_signals(label, value);
  } else if (key == "oom_killed") {
    script.oom_killed = parse_flag(label, value);
  } else {
    throw Error::invalid_argument("unknown label {}: the memory backend does not simulate that", label);
  }
}

}  // namespace

ContainerScript ContainerScript::parse(const std::map<std::string, std::string>& labels) {
  ContainerScript script;
  for (auto it = labels.lower_bound(std::string(kPrefix)); it != labels.end() && it->first.starts_with(kPrefix); ++it) {
    const std::string& label = it->first;
    const std::string_view key = std::string_view(label).substr(kPrefix.size());
    if (key == "health") {
      script.health = parse_health(label, it->second);
    } else if (key.starts_with(kExecPrefix)) {
      read_label(script.exec, label, key.substr(kExecPrefix.size()), it->second);
    } else {
      read_label(script.run, label, key, it->second);
    }
  }
  if (script.run.oom_killed && script.run.exit_code == 0) script.run.exit_code = 137;
  return script;
}

std::optional<Duration> find_duration(std::string_view text) {
  const auto nanoseconds = find_by([&] { return oci::parse_go_duration(text); });
  if (!nanoseconds || *nanoseconds < 0) return std::nullopt;
  return Duration(*nanoseconds);
}

}  // namespace sockerless::memory
