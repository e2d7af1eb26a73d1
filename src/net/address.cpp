#include "net/address.hpp"

#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::net {

namespace {

constexpr std::uint16_t kDockerPort = 2375;

std::uint16_t parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    throw Error::invalid_argument("invalid port in address: {}", whole);
  return port;
}

Address parse_tcp(std::string_view rest, std::string_view whole) {
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::string_view host = rest;
  std::uint16_t port = kDockerPort;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) throw Error::invalid_argument("invalid address: {}", whole);
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') throw Error::invalid_argument("invalid address: {}", whole);
      port = parse_port(rest.substr(1), whole);
    }
  } else if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port = parse_port(rest.substr(colon + 1), whole);
  }
  if (host.find_first_of("/?#@ ") != std::string_view::npos) throw Error::invalid_argument("invalid address: {}", whole);
  return Address::tcp(host.empty() ? "127.0.0.1" : std::string(host), port);
}

}  // namespace

Address Address::unix_socket(std::string path) { return {.kind = Kind::unix_socket, .path = std::move(path), .host = {}, .port = 0}; }

Address Address::tcp(std::string host, std::uint16_t port) {
  return {.kind = Kind::tcp, .path = {}, .host = std::move(host), .port = port};
}

Address Address::parse(std::string_view text) {
  static constexpr std::string_view kUnix = "unix://";
  static constexpr std::string_view kTcp = "tcp://";
  if (text.starts_with(kUnix) && text.size() > kUnix.size()) return unix_socket(std::string(text.substr(kUnix.size())));
  if (text.starts_with(kTcp)) return parse_tcp(text.substr(kTcp.size()), text);
  if (text.starts_with('/')) return unix_socket(std::string(text));
  throw Error::invalid_argument("invalid address: {} (expected unix:///path or tcp://host:port)", text);
}

std::string Address::str() const {
  if (kind == Kind::unix_socket) return "unix://" + path;
  return host.find(':') != std::string::npos ? fmt::format("tcp://[{}]:{}", host, port) : fmt::format("tcp://{}:{}", host, port);
}

}  // namespace sockerless::net
