#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sockerless {

enum class LogLevel { trace, debug, info, warn, error, off };

/// @errors invalid_argument: no such level; the message lists them.
LogLevel parse_log_level(std::string_view text);

/// Sets the level of every logger, those made later included. Threads: any.
void set_log_level(LogLevel level);

/// One logger a module, writing to standard error: `2024-01-02T03:04:05.123Z info engine container started id=... `.
///
///   static Logger log("engine");  log.info("container started id={} ms={}", id.str(), ms);
///
/// A constant text, then key=value. Cheap when the level is off: nothing is formatted. Threads: any.
class Logger {
 public:
  explicit Logger(std::string_view module);

  template <typename... Args>
  void trace(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::trace, text, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::debug, text, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::info, text, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::warn, text, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::error, text, std::forward<Args>(args)...);
  }

  static bool enabled(LogLevel level);

 private:
  template <typename... Args>
  void log(LogLevel level, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level)) write(level, fmt::format(text, std::forward<Args>(args)...));
  }
  void write(LogLevel level, std::string_view line);

  std::string module_;
};

}  // namespace sockerless
