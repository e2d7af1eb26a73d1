#include "backends/local/network/hosts_file.hpp"

#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sockerless::local {

std::string add_hosts_line(std::string text, const std::string& address, const std::vector<std::string>& names) {
  if (address.empty() || names.empty()) return text;
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text + fmt::format("{}\t{}\n", address, fmt::join(names, " "));
}

std::string remove_hosts_lines(const std::string& text, const std::string& address) {
  std::string kept;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.substr(0, line.find_first_of(" \t")) != address) kept += line + '\n';
  }
  return kept;
}

std::vector<std::string> own_names(const std::string& hostname, const std::string& domainname) {
  std::vector<std::string> names;
  if (!domainname.empty()) names.push_back(hostname + "." + domainname);
  names.push_back(hostname);
  if (const std::size_t dot = hostname.find('.'); domainname.empty() && dot != std::string::npos) names.push_back(hostname.substr(0, dot));
  return names;
}

}  // namespace sockerless::local
