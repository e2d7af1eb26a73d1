#pragma once

#include <string>
#include <vector>

namespace sockerless::local {

/// The text with a line for the address added at the end.
std::string add_hosts_line(std::string text, const std::string& address, const std::vector<std::string>& names);
/// The text without the lines that name exactly this address.
std::string remove_hosts_lines(const std::string& text, const std::string& address);

/// The host names that a container's own addresses stand for, the longest first.
std::vector<std::string> own_names(const std::string& hostname, const std::string& domainname);

}  // namespace sockerless::local
