#include "backends/local/block_stats.hpp"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace sockerless::local {

namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// "8:0" at the front of a line. @return false: something else stands there.
bool read_device(std::istringstream& line, api::ContainerBlkioStatEntry& entry) {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  char colon = ' ';
  if (!(line >> major >> colon >> minor) || colon != ':') return false;
  entry.major = major;
  entry.minor = minor;
  return true;
}

}  // namespace

std::vector<api::ContainerBlkioStatEntry> parse_blkio_file(const std::string& text) {
  std::vector<api::ContainerBlkioStatEntry> entries;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    api::ContainerBlkioStatEntry entry;
    std::string operation;
    std::uint64_t value = 0;
    if (!read_device(fields, entry) || !(fields >> operation >> value)) continue;
    entry.op = operation;
    entry.value = value;
    entries.push_back(std::move(entry));
  }
  return entries;
}

api::ContainerBlkioStats parse_io_stat(const std::string& text) {
  api::ContainerBlkioStats stats;
  stats.io_service_bytes_recursive.emplace();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    api::ContainerBlkioStatEntry entry;
    if (!read_device(fields, entry)) continue;
    for (std::string field; fields >> field;) {
      const bool is_read = field.starts_with("rbytes=");
      if (!is_read && !field.starts_with("wbytes=")) continue;
      std::istringstream number(field.substr(field.find('=') + 1));
      std::uint64_t value = 0;
      if (!(number >> value)) continue;
      entry.op = is_read ? "read" : "write";
      entry.value = value;
      stats.io_service_bytes_recursive->push_back(entry);
    }
  }
  return stats;
}

api::ContainerBlkioStats blocking_block_stats(const std::string& directory, bool unified) {
  if (unified) return parse_io_stat(read_text(directory + "/io.stat"));
  const auto read = [&](const char* name) {
    // The throttling layer counts every device; a scheduler counts only those it serves, but then what reached them.
    auto entries = parse_blkio_file(read_text(fmt::format("{}/blkio.bfq.{}", directory, name)));
    return entries.empty() ? parse_blkio_file(read_text(fmt::format("{}/blkio.throttle.{}", directory, name))) : entries;
  };
  api::ContainerBlkioStats stats;
  stats.io_service_bytes_recursive = read("io_service_bytes_recursive");
  stats.io_serviced_recursive = read("io_serviced_recursive");
  for (auto* unknown : {&stats.io_queue_recursive, &stats.io_service_time_recursive, &stats.io_wait_time_recursive,
                        &stats.io_merged_recursive, &stats.io_time_recursive, &stats.sectors_recursive}) {
    unknown->emplace();
  }
  return stats;
}

}  // namespace sockerless::local
