#include "apps/cli/daemon.hpp"

#include <unistd.h>

#include "base/error.hpp"
#include "base/settings.hpp"

namespace sockerless::cli {

namespace {

std::string percent_encode(std::string_view text, std::string_view also_plain) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~").contains(c) ||
                       also_plain.contains(c);
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string message_in(std::string_view body) {
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(body.data(), body.size()), error);
  if (!error && value.is_object()) {
    if (const auto* message = value.get_object().if_contains("message"); message != nullptr && message->is_string()) {
      return std::string(message->get_string());
    }
  }
  return std::string(body);
}

}  // namespace

std::string query_of(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    query += query.empty() ? '?' : '&';
    query += percent_encode(name, {}) + '=' + percent_encode(value, {});
  }
  return query;
}

std::string path_segment(std::string_view text) { return percent_encode(text, "/:@"); }

void check_status(int status, std::string_view body) {
  if ((status >= 200 && status < 300) || status == 101 || status == 304) return;
  throw Error(error_code_of_status(status), message_in(body));
}

Daemon::Daemon(const std::string& host) : client_(net::Address::parse(host)) {}

Task<std::string> Daemon::call(net::Method method, std::string target, std::string body) {
  net::ClientRequest request{.method = method, .target = std::move(target), .body = std::move(body)};
  if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
  auto response = co_await client_.request(std::move(request), Deadline::never());
  check_status(response.status, response.body);
  co_return std::move(response.body);
}

Task<std::string> Daemon::get(std::string target) { return call(net::Method::get, std::move(target), {}); }
Task<std::string> Daemon::post(std::string target, std::string json_body) {
  return call(net::Method::post, std::move(target), std::move(json_body));
}
Task<std::string> Daemon::remove(std::string target) { return call(net::Method::delete_, std::move(target), {}); }

Task<std::unique_ptr<net::ClientStream>> Daemon::stream(net::Method method, std::string target) {
  auto answer = co_await client_.open({.method = method, .target = std::move(target)}, net::BodyMode::whole, Deadline::never());
  if (answer->head().status >= 300) {
    std::string body;
    std::array<std::byte, 4096> buffer{};
    while (const std::size_t count = co_await answer->read_some(buffer)) body += as_text(std::span(buffer).first(count));
    check_status(answer->head().status, body);
  }
  co_return answer;
}

Task<std::unique_ptr<net::ClientStream>> Daemon::upload(std::string target, std::string content_type) {
  net::ClientRequest request{.method = net::Method::post, .target = std::move(target)};
  request.headers.set("Content-Type", content_type);
  co_return co_await client_.open(std::move(request), net::BodyMode::streamed, Deadline::never());
}

Task<net::Upgraded> Daemon::hijack(std::string target, std::string json_body) {
  net::ClientRequest request{.method = net::Method::post, .target = std::move(target), .body = std::move(json_body)};
  request.headers.set("Content-Type", "application/json");
  auto upgraded = co_await client_.upgrade(std::move(request), Deadline::never());
  if (!upgraded.stream) {
    check_status(upgraded.head.status, upgraded.body);
    throw Error::internal("the daemon did not hand over the connection");
  }
  co_return upgraded;
}

std::string default_socket() {
  if (::geteuid() == 0) return "/var/run/sockerless.sock";
  const auto directory = process_environment("XDG_RUNTIME_DIR");
  if (!directory || directory->empty()) {
    throw Error::invalid_argument("without root the socket is under $XDG_RUNTIME_DIR, which is not set: name one with --host unix:///path");
  }
  return *directory + "/sockerless.sock";
}

}  // namespace sockerless::cli
