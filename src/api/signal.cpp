#include "api/signal.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::api {

namespace {

struct NamedSignal {
  std::string_view name;
  int number;
};

// Docker's names are those of Linux whatever the client runs on; so are the numbers here (x86-64 and arm64 agree).
constexpr NamedSignal kSignals[] = {
    {"HUP", 1},     {"INT", 2},   {"QUIT", 3},   {"ILL", 4},   {"TRAP", 5},  {"ABRT", 6},  {"IOT", 6},   {"BUS", 7},     {"FPE", 8},
    {"KILL", 9},    {"USR1", 10}, {"SEGV", 11},  {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14}, {"TERM", 15}, {"STKFLT", 16}, {"CHLD", 17},
    {"CLD", 17},    {"CONT", 18}, {"STOP", 19},  {"TSTP", 20}, {"TTIN", 21}, {"TTOU", 22}, {"URG", 23},  {"XCPU", 24},   {"XFSZ", 25},
    {"VTALRM", 26}, {"PROF", 27}, {"WINCH", 28}, {"IO", 29},   {"POLL", 29}, {"PWR", 30},  {"SYS", 31},  {"RTMIN", 34},  {"RTMAX", 64},
};
constexpr int kFirstRealTime = 34;
constexpr int kLastRealTime = 64;

std::optional<int> find_number(std::string_view text) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// RTMIN+1 to RTMIN+15 and RTMAX-14 to RTMAX-1.
std::optional<int> find_real_time(std::string_view name) {
  if (name.starts_with("RTMIN+")) {
    const auto offset = find_number(name.substr(6));
    if (offset && *offset >= 1 && *offset <= 15) return kFirstRealTime + *offset;
  }
  if (name.starts_with("RTMAX-")) {
    const auto offset = find_number(name.substr(6));
    if (offset && *offset >= 1 && *offset <= 14) return kLastRealTime - *offset;
  }
  return std::nullopt;
}

std::optional<int> find_named(std::string_view name) {
  for (const NamedSignal& signal : kSignals) {
    if (signal.name == name) return signal.number;
  }
  return find_real_time(name);
}

}  // namespace

int parse_signal(std::string_view text) {
  if (const auto number = find_number(text)) {
    if (*number > 0 && *number <= kLastRealTime) return *number;
    throw Error::invalid_argument("invalid signal: {}", text);
  }
  std::string name(text);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  const auto signal = find_named(name.starts_with("SIG") ? std::string_view(name).substr(3) : std::string_view(name));
  if (!signal) throw Error::invalid_argument("invalid signal: {}", text);
  return *signal;
}

std::string signal_name(int signal) {
  for (const NamedSignal& known : kSignals) {
    if (known.number == signal) return fmt::format("SIG{}", known.name);
  }
  if (signal > kFirstRealTime && signal <= kFirstRealTime + 15) return fmt::format("SIGRTMIN+{}", signal - kFirstRealTime);
  if (signal > kFirstRealTime + 15 && signal < kLastRealTime) return fmt::format("SIGRTMAX-{}", kLastRealTime - signal);
  return fmt::format("{}", signal);
}

}  // namespace sockerless::api
