#include "net/websocket.hpp"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "net/client.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

Task<std::string> read_to_end(ByteStream& stream) {
  std::string got;
  std::array<std::byte, 4096> buffer{};
  while (const std::size_t count = co_await stream.read_some(buffer)) got += as_text(std::span(buffer).first(count));
  co_return got;
}

Task<void> echo(Exchange& exchange) {
  if (exchange.request().path == "/none") throw Error::not_found("No such container: none");
  if (exchange.request().path == "/plain") co_return co_await exchange.respond(200, {}, "no WebSocket here");
  auto socket = co_await exchange.accept_websocket({{"X-Extra", "yes"}});
  if (exchange.request().path == "/stream") {
    auto stream = as_byte_stream(std::move(socket));
    const std::string got = co_await read_to_end(*stream);
    co_await stream->write(as_bytes("heard: " + got));
    co_return co_await stream->close_write();
  }
  while (auto message = co_await socket->read()) {
    if (message->data == "bye") {
      co_await socket->close(WebSocket::CloseCode::policy, "you said bye");
      break;
    }
    co_await socket->write(std::move(*message));
  }
}

Task<void> talk_messages(HttpClient& client) {
  auto socket = co_await client.websocket("/echo", {}, Deadline::in(10s));
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65535UL, 65536UL, 1000000UL}) {
    for (const auto kind : {WebSocket::Kind::text, WebSocket::Kind::binary}) {
      co_await socket->write({.kind = kind, .data = std::string(size, 'x')});
      const auto back = co_await socket->read();
      EXPECT_TRUE(back && back->kind == kind && back->data.size() == size) << size;
    }
  }
  co_await socket->write({.kind = WebSocket::Kind::text, .data = "bye"});
  EXPECT_FALSE((co_await socket->read()).has_value());
  EXPECT_EQ(socket->close_reason(), "you said bye");
}

TEST(WebSocket, MessagesKeepTheirBoundariesAndKinds) {
  const TestCertificates certificates;
  TestServer server(echo);
  for (const Address& address : {server.unix_address(), server.tcp_address()}) {
    HttpClient client(address);
    run(talk_messages(client));
  }
  HttpClient client(server.listen_tls(certificates.server), {.tls = certificates.client});
  run(talk_messages(client));
}

TEST(WebSocket, TheClientMayCloseFirst) {
  TestServer server(echo);
  HttpClient client(server.unix_address());
  run([](HttpClient& c) -> Task<void> {
    auto socket = co_await c.websocket("/echo", {}, Deadline::in(10s));
    co_await socket->close(WebSocket::CloseCode::normal, "done");
  }(client));
  server.stop();
  EXPECT_EQ(server.server().connection_count(), 0U);
}

TEST(WebSocket, AsAByteStreamItHalfCloses) {
  TestServer server(echo);
  HttpClient client(server.tcp_address());
  const std::string heard = run([](HttpClient& c) -> Task<std::string> {
    auto stream = as_byte_stream(co_await c.websocket("/stream", {}, Deadline::in(10s)));
    co_await stream->write(as_bytes("one "));
    co_await stream->write(as_bytes(std::string(200000, 'x')));
    co_await stream->close_write();
    co_return co_await read_to_end(*stream);
  }(client));
  EXPECT_EQ(heard, "heard: one " + std::string(200000, 'x'));
}

TEST(WebSocket, ARefusedHandshakeIsTheServersError) {
  TestServer server(echo);
  HttpClient client(server.unix_address());
  try {
    run(client.websocket("/none", {}, Deadline::in(10s)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_EQ(error.message(), "No such container: none");
  }
  EXPECT_THROW(run(client.websocket("/plain", {}, Deadline::in(10s))), Error);
}

constexpr std::string_view kHandshake =
    "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST(WebSocket, TheHandshakeIsThatOfTheStandardAndEarlyFramesAreKept) {
  TestServer server(echo);
  RawClient client(server.tcp_address());
  // A masked text frame "Hello" with the mask of RFC 6455 5.7 rides in the same packet.
  client.send(std::string(kHandshake) + "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Extra: yes\r\n"));
  EXPECT_EQ(client.read_exactly(7), "\x81\x05Hello");
}

TEST(WebSocket, AnImproperHandshakeIs400) {
  TestServer server(echo);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{"Version: 13", "Version: 12"},
                                                                                 {"dGhlIHNhbXBsZSBub25jZQ==", "short"},
                                                                                 {"Upgrade: websocket", "Upgrade: tcp"},
                                                                                 {"GET", "POST"}}) {
    std::string bytes(kHandshake);
    bytes.replace(bytes.find(from), from.size(), to);
    RawClient client(server.tcp_address());
    client.send(bytes);
    EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 400 ")) << to;
  }
}

Task<void> report_end(Exchange& exchange, std::promise<void>* waiting, std::promise<ErrorCode>* ended) {
  auto socket = co_await exchange.accept_websocket({});
  waiting->set_value();
  try {
    while (co_await socket->read()) {}
    ended->set_value(ErrorCode::not_found);  // a proper close
  } catch (const Error& error) {
    ended->set_value(error.code());
    throw;
  }
}

TEST(WebSocket, AnUnmaskedFrameAndABrokenConnectionEndTheHandler) {
  for (const bool unmasked : {true, false}) {
    std::promise<void> waiting;
    std::promise<ErrorCode> ended;
    TestServer server([&](Exchange& exchange) { return report_end(exchange, &waiting, &ended); });
    RawClient client(server.tcp_address());
    client.send(kHandshake);
    waiting.get_future().wait();
    unmasked ? client.send("\x81\x05Hello") : client.close();
    EXPECT_EQ(ended.get_future().get(), ErrorCode::unavailable);
  }
}

TEST(WebSocket, StoppingTheServerEndsTheHandler) {
  std::promise<void> waiting;
  std::promise<ErrorCode> ended;
  TestServer server([&](Exchange& exchange) { return report_end(exchange, &waiting, &ended); });
  RawClient client(server.tcp_address());
  client.send(kHandshake);
  waiting.get_future().wait();
  server.stop();
  EXPECT_EQ(ended.get_future().get(), ErrorCode::cancelled);
}

TEST(WebSocket, ReadsAndWritesOverlap) {
  TestServer server(echo);
  HttpClient client(server.unix_address());
  const int count = run([](HttpClient& c) -> Task<int> {
    auto socket = co_await c.websocket("/echo", {}, Deadline::in(10s));
    int got = 0;
    co_await both(
        [](WebSocket& s) -> Task<void> {
          for (int i = 0; i < 200; ++i) co_await s.write({.kind = WebSocket::Kind::binary, .data = std::string(10000, 'x')});
        }(*socket),
        [](WebSocket& s, int* n) -> Task<void> {
          for (; *n < 200; ++*n) {
            if (!co_await s.read()) co_return;
          }
        }(*socket, &got));
    co_return got;
  }(client));
  EXPECT_EQ(count, 200);
}

}  // namespace
}  // namespace sockerless::net
