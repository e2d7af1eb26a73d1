#include "base/log.hpp"

#include <array>
#include <atomic>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

struct LevelRow {
  LogLevel level;
  std::string_view name;
  spdlog::level::level_enum spdlog_level;
};

constexpr std::array<LevelRow, 6> kLevels{{
    {LogLevel::trace, "trace", spdlog::level::trace},
    {LogLevel::debug, "debug", spdlog::level::debug},
    {LogLevel::info, "info", spdlog::level::info},
    {LogLevel::warn, "warn", spdlog::level::warn},
    {LogLevel::error, "error", spdlog::level::err},
    {LogLevel::off, "off", spdlog::level::off},
}};

std::atomic<LogLevel> g_level{LogLevel::info};

/// The one sink. Never destroyed: a worker thread may log while the process exits.
spdlog::logger& sink() {
  static spdlog::logger& logger = *[] {
    auto* made = new spdlog::logger("sockerless", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

}  // namespace

LogLevel parse_log_level(std::string_view text) {
  for (const LevelRow& row : kLevels) {
    if (row.name == text) return row.level;
  }
  throw Error::invalid_argument("unknown log level \"{}\": want trace, debug, info, warn, error or off", text);
}

void set_log_level(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

Logger::Logger(std::string_view module) : module_(module) {}

bool Logger::enabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void Logger::write(LogLevel level, std::string_view line) {
  sink().log(kLevels[static_cast<std::size_t>(level)].spdlog_level, "{} {}", module_, line);
}

}  // namespace sockerless
