#include "backends/local/progress_lines.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace sockerless::local {

namespace {

namespace json = boost::json;

/// 1000-based with four significant digits, as Docker's progress bars have it: "32.77kB".
std::string human_size(double bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return fmt::format("{:.4g}{}", bytes, kUnits[unit]);
}

std::string bar(std::uint64_t current, std::uint64_t total) {
  const std::size_t filled = static_cast<std::size_t>(std::min<double>(50, static_cast<double>(current) * 50 / static_cast<double>(total)));
  const std::string arrow = std::string(filled, '=') + ">";
  return fmt::format("[{:<51}] {:>8}/{}", arrow, human_size(static_cast<double>(current)), human_size(static_cast<double>(total)));
}

}  // namespace

std::string plain_line(std::string_view status, std::string_view id) {
  json::object line{{"status", status}};
  if (!id.empty()) line.emplace("id", id);
  return json::serialize(line);
}

std::string status_line(std::string_view status, std::string_view id) {
  return json::serialize(json::object{{"status", status}, {"progressDetail", json::object{}}, {"id", id}});
}

std::string progress_line(std::string_view status, std::string_view id, std::uint64_t current, std::uint64_t total) {
  json::object detail{{"current", current}};
  if (total > 0) detail.emplace("total", total);
  return json::serialize(json::object{{"status", status},
                                      {"progressDetail", detail},
                                      {"progress", total > 0 ? bar(current, total) : human_size(static_cast<double>(current))},
                                      {"id", id}});
}

std::string aux_line(std::string_view tag, std::string_view digest, std::uint64_t size) {
  return json::serialize(
      json::object{{"progressDetail", json::object{}}, {"aux", json::object{{"Tag", tag}, {"Digest", digest}, {"Size", size}}}});
}

bool equal_names(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

}  // namespace sockerless::local
