#include "backends/local/log_options.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

/// "10m", "1.5 GB", "512KiB": powers of 1000 whatever is said, as Docker reads it.
std::uint64_t parse_size(const std::string& text) {
  const auto invalid = [&] { return Error::internal("failed to initialize logging driver: invalid size: '{}'", text); };
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc()) throw invalid();
  std::string unit;
  for (const char c : std::string_view(end, text.data() + text.size()))
    unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.starts_with(' ')) unit.erase(0, 1);
  if (unit.ends_with('b')) unit.pop_back();
  if (unit.ends_with('i')) unit.pop_back();
  constexpr std::string_view kUnits = "kmgtp";
  const std::size_t power = unit.empty() ? 0 : kUnits.find(unit) + 1;
  if (unit.size() > 1 || (!unit.empty() && power == 0)) throw invalid();
  for (std::size_t i = 0; i < power; ++i) number *= 1000;
  if (!(number >= 1)) throw Error::internal("failed to initialize logging driver: max-size must be a positive number");
  if (number > 1e18) throw invalid();
  return static_cast<std::uint64_t>(number);
}

unsigned parse_files(const std::string& text) {
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size())
    throw Error::internal("failed to initialize logging driver: strconv.Atoi: parsing \"{}\": invalid syntax", text);
  if (number < 1) throw Error::internal("failed to initialize logging driver: max-file cannot be less than 1");
  return static_cast<unsigned>(number);
}

}  // namespace

std::optional<LogLimit> log_limit_of(const api::HostConfig& host) {
  if (!host.log_config || !host.log_config->config) return std::nullopt;
  const auto& options = *host.log_config->config;
  LogLimit limit;
  if (const auto size = options.find("max-size"); size != options.end()) limit.size = parse_size(size->second);
  if (const auto files = options.find("max-file"); files != options.end()) limit.files = parse_files(files->second);
  if (limit.size == 0) return std::nullopt;
  return limit;
}

}  // namespace sockerless::local
