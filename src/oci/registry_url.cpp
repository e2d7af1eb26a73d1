#include "oci/registry_url.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

[[noreturn]] void refuse(std::string_view text) { throw Error::invalid_argument("invalid registry address: {}", text.substr(0, 200)); }

std::uint16_t parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) refuse(whole);
  return port;
}

void read_authority(RegistryUrl& url, std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) refuse(text);
    host = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':') refuse(text);
    if (end + 1 < text.size()) port = text.substr(end + 2);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto is_of_host = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
  };
  if (host.empty() || !std::ranges::all_of(host, is_of_host)) refuse(text);
  url.host = host;
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) url.port = parse_port(port, text);
}

bool is_clean(std::string_view target) {
  return std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

RegistryUrl RegistryUrl::parse(std::string_view text) {
  RegistryUrl url;
  if (text.starts_with("http://")) {
    url.tls = false;
  } else if (!text.starts_with("https://")) {
    refuse(text);
  }
  const std::string_view rest = text.substr(url.tls ? 8 : 7);
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  read_authority(url, rest.substr(0, end));
  std::string_view target = rest.substr(end);
  target = target.substr(0, target.find('#'));
  if (!is_clean(target)) refuse(text);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

RegistryUrl RegistryUrl::of_host(std::string_view host, bool tls) {
  RegistryUrl url;
  url.tls = tls;
  read_authority(url, host);
  return url;
}

RegistryUrl RegistryUrl::resolve(std::string_view location) const {
  if (location.starts_with("http://") || location.starts_with("https://")) return parse(location);
  if (location.starts_with("//")) return parse((tls ? "https:" : "http:") + std::string(location));
  if (location.starts_with('/')) return parse(origin() + std::string(location));
  if (location.contains("://")) refuse(location);
  const std::string path = target.substr(0, target.find('?'));
  return parse(origin() + path.substr(0, path.rfind('/') + 1) + std::string(location));
}

RegistryUrl RegistryUrl::at(std::string target_in) const {
  RegistryUrl url = *this;
  url.target = std::move(target_in);
  return url;
}

std::string RegistryUrl::authority() const {
  const std::string name = host.contains(':') ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string RegistryUrl::origin() const { return (tls ? "https://" : "http://") + authority(); }

std::string encode_query(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace sockerless::oci
