#include "sdk/ssh_target.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kScheme = "ssh://";

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool consists_of(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text, [more](char c) { return is_letter_or_digit(c) || more.contains(c); });
}

void check_part(std::string_view what, std::string_view text, std::string_view alphabet) {
  if (text.starts_with('-')) throw Error::invalid_argument("{} of the ssh address may not begin with a dash: \"{}\"", what, text);
  if (!consists_of(text, alphabet)) {
    throw Error::invalid_argument(
        "{} of the ssh address has a character other than letters, digits and {}; give the host a plain name in ~/.ssh/config", what,
        alphabet);
  }
}

std::uint16_t parse_ssh_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    throw Error::invalid_argument("the port of the ssh address is not one: \"{}\"", text);
  }
  return port;
}

void take_host_and_port(std::string_view text, Endpoint& endpoint) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) throw Error::invalid_argument("the ssh address lacks the bracket behind its host");
    endpoint.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':'))
      throw Error::invalid_argument("the ssh address has something between its host and its port");
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    endpoint.host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (port.size() > 1) endpoint.port = parse_ssh_port(port.substr(1));
}

}  // namespace

Endpoint parse_ssh_endpoint(std::string_view text) {
  std::string_view rest = text.substr(std::min(kScheme.size(), text.size()));
  if (!text.starts_with(kScheme)) throw Error::invalid_argument("an ssh address begins with ssh://");
  if (rest.find_first_of("?#") != std::string_view::npos)
    throw Error::invalid_argument("an ssh address has neither a query nor a fragment");
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::ssh;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    if (rest.substr(slash) != "/") endpoint.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    endpoint.user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    if (endpoint.user.contains(':')) throw Error::invalid_argument("an ssh address has no password: use a key or an agent");
  }
  take_host_and_port(rest, endpoint);
  check_ssh_endpoint(endpoint);
  return endpoint;
}

void check_ssh_endpoint(const Endpoint& endpoint) {
  if (endpoint.host.empty()) throw Error::invalid_argument("the ssh address names no host");
  check_part("the host", endpoint.host, "._:-");
  check_part("the user", endpoint.user, "._+-");
  check_part("the path", endpoint.path, "/._+=:,-");
}

std::vector<std::string> ssh_command(const std::string& program, const Endpoint& endpoint, unsigned connect_timeout_seconds) {
  check_ssh_endpoint(endpoint);
  // BatchMode: there is nobody who could answer a question. -T: no terminal on the far side.
  std::vector<std::string> command = {program,         "-o", fmt::format("ConnectTimeout={}", connect_timeout_seconds), "-o",
                                      "BatchMode=yes", "-T"};
  if (!endpoint.user.empty()) command.insert(command.end(), {"-l", endpoint.user});
  if (endpoint.port != 0) command.insert(command.end(), {"-p", std::to_string(endpoint.port)});
  command.insert(command.end(), {"--", endpoint.host, "docker"});
  if (!endpoint.path.empty()) command.insert(command.end(), {"--host", "unix://" + endpoint.path});
  command.insert(command.end(), {"system", "dial-stdio"});
  return command;
}

}  // namespace sockerless
