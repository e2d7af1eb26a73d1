#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "net/client.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Task<std::string> read_to_end(ByteStream& stream) {
  std::string got;
  std::array<std::byte, 16384> buffer{};
  while (const std::size_t count = co_await stream.read_some(buffer)) got += as_text(std::span(buffer).first(count));
  co_return got;
}

/// /late: reads all of the client's bytes, then answers (the client half-closes first). /early: says all it has, half-closes, then reads
/// on and reports what came.
Task<void> half_closing(Exchange& exchange, std::promise<std::string>* heard) {
  const bool early = exchange.request().path == "/early";
  auto stream = co_await exchange.hijack(exchange.wants_upgrade() ? 101 : 200, {{"Content-Type", "application/vnd.docker.raw-stream"}});
  if (early) {
    co_await stream->write(as_bytes("that is all"));
    co_await stream->close_write();
    heard->set_value(co_await read_to_end(*stream));
  } else {
    const std::string got = co_await read_to_end(*stream);
    co_await stream->write(as_bytes("heard: " + got));
    co_await stream->close_write();
  }
}

Task<std::string> speak_then_listen(HttpClient& client, std::string words) {
  Upgraded upgraded = co_await client.upgrade({.method = Method::post, .target = "/late"}, Deadline::in(10s));
  if (upgraded.head.status != 101) throw Error::internal("status {}", upgraded.head.status);
  co_await upgraded.stream->write(as_bytes(words));
  co_await upgraded.stream->close_write();
  co_return co_await read_to_end(*upgraded.stream);
}

Task<std::string> listen_then_speak(HttpClient& client, std::string words) {
  Upgraded upgraded = co_await client.upgrade({.method = Method::post, .target = "/early"}, Deadline::in(10s));
  std::string got = co_await read_to_end(*upgraded.stream);
  co_await upgraded.stream->write(as_bytes(words));
  co_await upgraded.stream->close_write();
  co_return got;
}

class Hijack : public testing::TestWithParam<const char*> {
 protected:
  Address address() {
    if (GetParam() == std::string("unix")) return server_.unix_address();
    if (GetParam() == std::string("tcp")) return server_.tcp_address();
    return server_.listen_tls(certificates_.server);
  }
  ClientOptions options() { return GetParam() == std::string("tls") ? ClientOptions{.tls = certificates_.client} : ClientOptions{}; }

  std::promise<std::string> heard_;
  TestCertificates certificates_;
  TestServer server_{[this](Exchange& exchange) { return half_closing(exchange, &heard_); }};
};

TEST_P(Hijack, TheClientMayHalfCloseFirst) {
  HttpClient client(address(), options());
  EXPECT_EQ(run(speak_then_listen(client, "hello")), "heard: hello");
  const std::string large(3UL * 1024 * 1024, 'x');
  EXPECT_EQ(run(speak_then_listen(client, large)).size(), large.size() + 7);
}

TEST_P(Hijack, TheServerMayHalfCloseFirst) {
  HttpClient client(address(), options());
  EXPECT_EQ(run(listen_then_speak(client, "hello")), "that is all");
  EXPECT_EQ(heard_.get_future().get(), "hello");
}

INSTANTIATE_TEST_SUITE_P(Transports, Hijack, testing::Values("unix", "tcp", "tls"),
                         [](const auto& info) { return std::string(info.param); });

TEST(HijackHead, IsDockersWithAndWithoutUpgrade) {
  std::promise<std::string> unused;
  TestServer server([&](Exchange& exchange) { return half_closing(exchange, &unused); });
  RawClient upgraded(server.unix_address());
  upgraded.send("POST /late HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nearly bytes");
  const std::string head = upgraded.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 UPGRADED\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: application/vnd.docker.raw-stream\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: Upgrade\r\n"));
  EXPECT_THAT(head, HasSubstr("Upgrade: tcp\r\n"));
  upgraded.send(", late bytes");
  upgraded.half_close();
  EXPECT_EQ(upgraded.read_to_end(), "heard: early bytes, late bytes");

  RawClient plain(server.tcp_address());
  plain.send("POST /late HTTP/1.1\r\nHost: h\r\n\r\nx");
  const std::string plain_head = plain.read_until("\r\n\r\n");
  EXPECT_THAT(plain_head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(plain_head, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(plain_head, Not(HasSubstr("chunked")));
  plain.half_close();
  EXPECT_EQ(plain.read_to_end(), "heard: x");
}

TEST(HijackHead, AChunkedBodyIsTheStream) {
  std::promise<std::string> unused;
  TestServer server([&](Exchange& exchange) { return half_closing(exchange, &unused); });
  RawClient client(server.unix_address());
  client.send("POST /late HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.read_until("\r\n\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_to_end(), "heard: abcde");
}

Task<void> read_for_ever(Exchange& exchange, std::promise<void>* waiting, std::promise<ErrorCode>* ended) {
  auto stream = co_await exchange.hijack(101, {});
  std::array<std::byte, 16> buffer{};
  waiting->set_value();
  try {
    while (co_await stream->read_some(buffer) > 0) {}
    ended->set_value(ErrorCode::not_found);  // end-of-file
  } catch (const Error& error) {
    ended->set_value(error.code());
    throw;
  }
}

constexpr std::string_view kUpgrade = "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

TEST(HijackFault, AClientThatIsGoneEndsTheHandler) {
  std::promise<void> waiting;
  std::promise<ErrorCode> ended;
  TestServer server([&](Exchange& exchange) { return read_for_ever(exchange, &waiting, &ended); });
  RawClient client(server.tcp_address());
  client.send(kUpgrade);
  waiting.get_future().wait();
  client.close();
  EXPECT_THAT(ended.get_future().get(), testing::AnyOf(ErrorCode::not_found, ErrorCode::unavailable));
}

TEST(HijackFault, StoppingTheServerClosesTheStream) {
  std::promise<void> waiting;
  std::promise<ErrorCode> ended;
  TestServer server([&](Exchange& exchange) { return read_for_ever(exchange, &waiting, &ended); });
  RawClient client(server.unix_address());
  client.send(kUpgrade);
  waiting.get_future().wait();
  server.stop();
  EXPECT_EQ(ended.get_future().get(), ErrorCode::cancelled);
  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\n"));
  EXPECT_EQ(server.server().connection_count(), 0U);
}

TEST(HijackFault, WritingToAClientThatIsGoneFails) {
  std::promise<ErrorCode> ended;
  TestServer server([&ended](Exchange& exchange) {
    return [](Exchange& e, std::promise<ErrorCode>* result) -> Task<void> {
      auto stream = co_await e.hijack(101, {});
      const std::string block(100000, 'x');
      try {
        for (;;) co_await stream->write(as_bytes(block));
      } catch (const Error& error) {
        result->set_value(error.code());
      }
    }(exchange, &ended);
  });
  RawClient client(server.unix_address());
  client.send(kUpgrade);
  client.read_until("xxxx");
  client.close();
  EXPECT_EQ(ended.get_future().get(), ErrorCode::unavailable);
}

// ---- TLS

Task<void> tell_subject(Exchange& exchange) { co_await exchange.respond(200, {}, exchange.peer().tls_subject); }

TEST(Tls, TheHandlerKnowsTheClientsCertificate) {
  const TestCertificates certificates;
  TestServer server(tell_subject);
  const Address address = server.listen_tls(certificates.server);
  HttpClient client(address, {.tls = certificates.client});
  for (int i = 0; i < 3; ++i) {
    const Response response = run(client.request({}, Deadline::in(10s)));
    EXPECT_EQ(response.body, "CN=client");
    EXPECT_EQ(client.idle_count(), 1U) << "the connection is kept";
  }
}

ErrorCode outcome(const Address& address, const TlsConfig& tls) {
  HttpClient client(address, {.tls = tls});
  try {
    run(client.request({}, Deadline::in(10s)));
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::not_modified;  // it went through
}

TEST(Tls, OnlyClientsOfTheAuthorityAreLetIn) {
  const TestCertificates certificates;
  TestServer server(tell_subject);
  const Address address = server.listen_tls(certificates.server);
  EXPECT_EQ(outcome(address, certificates.client), ErrorCode::not_modified);
  EXPECT_EQ(outcome(address, certificates.stranger), ErrorCode::unavailable);
  EXPECT_EQ(outcome(address, {.ca_file = certificates.client.ca_file}), ErrorCode::unavailable) << "no certificate at all";
  TlsConfig open = certificates.server;
  open.verify_peer = false;
  EXPECT_EQ(outcome(server.listen_tls(open), {.ca_file = certificates.client.ca_file}), ErrorCode::not_modified);
}

TEST(Tls, AClientChecksTheServersAuthorityAndName) {
  const TestCertificates certificates;
  TestServer server(tell_subject);
  const Address address = server.listen_tls(certificates.server);
  TlsConfig config = certificates.client;
  config.server_name = "localhost";
  EXPECT_EQ(outcome(address, config), ErrorCode::not_modified);
  config.server_name = "other.host";
  EXPECT_EQ(outcome(address, config), ErrorCode::unavailable);
  config = certificates.client;
  config.ca_file = certificates.directory.file("other-ca.pem");
  EXPECT_EQ(outcome(address, config), ErrorCode::unavailable);
  config.verify_peer = false;
  EXPECT_EQ(outcome(address, config), ErrorCode::not_modified);
}

TEST(Tls, PlainTextOnATlsPortAndSilenceAreCutOff) {
  const TestCertificates certificates;
  TestServerOptions options;
  options.server.limits.header_timeout = 80ms;
  TestServer server(tell_subject, options);
  const Address address = server.listen_tls(certificates.server);
  EXPECT_THAT(talk(address, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Not(HasSubstr("HTTP/")));
  EXPECT_EQ(talk(address, ""), "");
}

TEST(Tls, BadFilesAreNamed) {
  const TestCertificates certificates;
  TestServer server(tell_subject);
  TlsConfig missing = certificates.server;
  missing.key_file = certificates.directory.file("no-such.pem");
  TlsConfig foreign = certificates.server;
  foreign.key_file = certificates.client.key_file;
  for (const TlsConfig& config : {missing, foreign}) {
    try {
      server.listen_tls(config);
      FAIL() << "accepted " << config.key_file;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.message(), HasSubstr(config.key_file));
    }
  }
}

}  // namespace
}  // namespace sockerless::net
