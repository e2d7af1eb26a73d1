#include "net/client.hpp"

#include <future>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "net/listener.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::not_modified;  // no failure
}

Task<void> route(Exchange& exchange) {
  const std::string& path = exchange.request().path;
  if (path == "/missing") throw Error::not_found("No such thing");
  if (path == "/stream") {
    BodyWriter* writer = co_await exchange.respond_stream(200, {});
    for (int i = 0; i < 3; ++i) co_await writer->write(as_bytes(std::to_string(i)));
    co_return co_await writer->finish();
  }
  if (path == "/duplex") {
    BodyWriter* writer = co_await exchange.respond_stream(200, {});
    std::array<std::byte, 4096> buffer{};
    while (const std::size_t count = co_await exchange.body().read_some(buffer)) co_await writer->write(std::span(buffer).first(count));
    co_return co_await writer->finish();
  }
  if (path == "/broken") {
    BodyWriter* writer = co_await exchange.respond_stream(200, {});
    co_await writer->write(as_bytes("half"));
    throw Error::internal("on purpose");
  }
  if (path == "/close") co_return co_await exchange.respond(200, {{"Connection", "close"}}, "bye");
  if (path == "/never") co_return co_await exchange.until_client_gone();
  const std::string host(exchange.request().headers.find("Host").value_or(""));
  co_await exchange.respond(200, {{"X-Host", host}}, exchange.request().method_name + " " + co_await exchange.read_body(10000000));
}

Response request(HttpClient& client, ClientRequest what) { return run(client.request(std::move(what), Deadline::in(10s))); }

TEST(HttpClient, AsksAndKeepsItsConnection) {
  TestServer server(route);
  for (const Address& address : {server.unix_address(), server.tcp_address()}) {
    HttpClient client(address, {.host_header = "docker"});
    for (int i = 0; i < 5; ++i) {
      const Response response = request(client, {.method = Method::post, .target = "/x", .body = "hello"});
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.body, "POST hello");
      EXPECT_EQ(response.headers.find("X-Host"), "docker");
      EXPECT_EQ(client.idle_count(), 1U);
    }
    EXPECT_EQ(request(client, {.method = Method::head, .target = "/x"}).body, "");
    EXPECT_EQ(request(client, {.target = "/stream"}).body, "012");
    const Response missing = request(client, {.target = "/missing"});
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "{\"message\":\"No such thing\"}\n");
    EXPECT_EQ(client.idle_count(), 1U);
    EXPECT_EQ(request(client, {.method = Method::put, .target = "/x", .body = std::string(5000000, 'x')}).body.size(), 5000004U);
    EXPECT_EQ(request(client, {.target = "/close"}).body, "bye");
    EXPECT_EQ(client.idle_count(), 0U) << "the server said it closes";
  }
}

TEST(HttpClient, ThePoolIsBounded) {
  TestServer server(route);
  HttpClient client(server.tcp_address(), {.max_idle = 2});
  run([](HttpClient& c) -> Task<void> {
    std::vector<std::unique_ptr<ClientStream>> streams;
    for (int i = 0; i < 5; ++i) streams.push_back(co_await c.open({.target = "/stream"}, BodyMode::whole, Deadline::in(10s)));
    std::array<std::byte, 64> buffer{};
    for (auto& stream : streams) {
      while (co_await stream->read_some(buffer) > 0) {}
    }
  }(client));
  EXPECT_EQ(client.idle_count(), 2U);
}

TEST(HttpClient, BothBodiesMayStreamAtTheSameTime) {
  TestServer server(route);
  HttpClient client(server.unix_address());
  run([](HttpClient& c) -> Task<void> {
    auto stream = co_await c.open({.method = Method::post, .target = "/duplex"}, BodyMode::streamed, Deadline::in(10s));
    co_await stream->wait_head(Deadline::in(10s));
    EXPECT_EQ(stream->head().status, 200);
    for (const std::string piece : {"a", "bc", "def"}) {
      co_await stream->write(as_bytes(piece));
      std::array<std::byte, 16> buffer{};
      const std::size_t count = co_await stream->read_some(buffer);
      EXPECT_EQ(as_text(std::span(buffer).first(count)), piece);
    }
    co_await stream->finish_body();
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(co_await stream->read_some(buffer), 0U);
  }(client));
  EXPECT_EQ(client.idle_count(), 1U);
}

TEST(HttpClient, ABrokenAnswerIsAnError) {
  TestServer server(route);
  HttpClient client(server.tcp_address());
  EXPECT_EQ(code_of([&] { request(client, {.target = "/broken"}); }), ErrorCode::unavailable);
  EXPECT_EQ(client.idle_count(), 0U);
}

TEST(HttpClient, ADeadlineEndsTheRequestAndItsConnection) {
  TestServer server(route);
  HttpClient client(server.unix_address());
  EXPECT_EQ(code_of([&] { run(client.request({.target = "/never"}, Deadline::in(30ms))); }), ErrorCode::deadline_exceeded);
  EXPECT_EQ(client.idle_count(), 0U);
}

TEST(HttpClient, NobodyThereIsUnavailableAndNamed) {
  const TemporaryDirectory directory;
  HttpClient client(Address::unix_socket(directory.file("none")));
  try {
    request(client, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.message(), HasSubstr(directory.file("none")));
  }
}

TEST(HttpClient, AnAnswerBeyondTheLimitIsRefused) {
  TestServer server(route);
  HttpClient client(server.unix_address(), {.max_response_bytes = 100});
  EXPECT_EQ(code_of([&] { request(client, {.method = Method::post, .body = std::string(200, 'x')}); }), ErrorCode::too_large);
}

TEST(HttpClient, AConnectionTheServerDroppedIsNotUsedAgain) {
  auto first = std::make_unique<TestServer>(route);
  const Address address = first->unix_address();
  HttpClient client(address);
  request(client, {});
  ASSERT_EQ(client.idle_count(), 1U);
  first->stop();
  TestServer second(route);
  second.server().listen(address);
  EXPECT_EQ(request(client, {.method = Method::post, .body = "x"}).body, "POST x");
}

TEST(HttpClient, AnEarlyRefusalOfALargeBodyIsHeard) {
  TestServer server(route);
  HttpClient client(server.unix_address());
  const Response response = request(client, {.method = Method::post, .target = "/missing", .body = std::string(8000000, 'x')});
  EXPECT_EQ(response.status, 404);
}

/// A server that says what the test wants: one scripted answer for each connection in turn.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::vector<std::string>> answers)
      : socket_(open_listening_socket(Address::tcp("127.0.0.1", 0), {})), thread_([this, script = std::move(answers)] { serve(script); }) {}
  Address address() const { return socket_.address; }
  int requests() const { return requests_; }
  void join() { thread_.join(); }

 private:
  void serve(const std::vector<std::vector<std::string>>& script) {
    ::fcntl(socket_.fd.get(), F_SETFL, 0);
    for (const auto& connection : script) {
      const UniqueFd fd(::accept(socket_.fd.get(), nullptr, nullptr));
      for (const std::string& answer : connection) {
        std::string got;
        std::array<char, 4096> buffer{};
        while (got.find("\r\n\r\n") == std::string::npos) {
          const ssize_t count = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
          if (count <= 0) return;
          got.append(buffer.data(), static_cast<std::size_t>(count));
        }
        ++requests_;
        ::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
  }

  ListeningSocket socket_;
  std::atomic<int> requests_{0};
  std::jthread thread_;
};

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(HttpClient, AStaleConnectionIsTriedAgainOnlyForWhatMayBeRepeated) {
  // The first connection answers once and then swallows a request without an answer.
  for (const Method method : {Method::get, Method::post}) {
    ScriptedServer server({{kOk, ""}, {kOk}});
    HttpClient client(server.address());
    EXPECT_EQ(request(client, {}).body, "ok");
    if (method == Method::get) {
      EXPECT_EQ(request(client, {.method = method}).body, "ok");
      EXPECT_EQ(server.requests(), 3);
    } else {
      EXPECT_EQ(code_of([&] { request(client, {.method = method}); }), ErrorCode::unavailable);
      EXPECT_EQ(server.requests(), 2);
      EXPECT_EQ(request(client, {}).body, "ok");
    }
  }
}

TEST(HttpClient, AFreshConnectionIsNotTriedAgain) {
  ScriptedServer server({{""}});
  HttpClient client(server.address());
  EXPECT_EQ(code_of([&] { request(client, {}); }), ErrorCode::unavailable);
  EXPECT_EQ(server.requests(), 1);
}

TEST(HttpClient, AMalformedAnswerIsAnError) {
  for (const std::string answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 abc\r\n\r\n", "SSH-2.0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    ScriptedServer server({{answer}});
    HttpClient client(server.address());
    EXPECT_EQ(code_of([&] { request(client, {}); }), ErrorCode::internal) << answer;
    EXPECT_EQ(client.idle_count(), 0U);
  }
}

TEST(HttpClient, InterimAnswersAreSkippedAndABodyMayEndWithTheConnection) {
  ScriptedServer server({{"HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end"}});
  HttpClient client(server.address());
  const Response response = request(client, {});
  EXPECT_EQ(response.body, "to the end");
  EXPECT_FALSE(response.headers.contains("X"));
}

TEST(HttpClient, ARefusedUpgradeGivesTheAnswer) {
  TestServer server(route);
  HttpClient client(server.unix_address());
  const Upgraded upgraded = run(client.upgrade({.method = Method::post, .target = "/missing"}, Deadline::in(10s)));
  EXPECT_EQ(upgraded.head.status, 404);
  EXPECT_EQ(upgraded.stream, nullptr);
  EXPECT_THAT(upgraded.body, HasSubstr("No such thing"));
}

TEST(HttpClient, OneClientServesManyThreads) {
  TestServerOptions options;
  options.threads = 2;
  TestServer server(route, options);
  HttpClient client(server.unix_address());
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        for (int j = 0; j < 50; ++j) {
          const std::string body = fmt::format("{}-{}", i, j);
          if (request(client, {.method = Method::put, .body = body}).body == "PUT " + body) ++right;
        }
      });
    }
  }
  EXPECT_EQ(right, 400);
  EXPECT_LE(client.idle_count(), 8U);
}

TEST(HttpClient, SaysHowFarARequestCame) {
  TestServer server(route);
  HttpClient client(server.unix_address());
  RequestProgress progress;
  EXPECT_EQ(run(client.request({.target = "/x"}, Deadline::in(10s), &progress)).status, 200);
  EXPECT_TRUE(progress.connected && progress.sent && progress.answered);
  client.drop_idle();
  EXPECT_EQ(client.idle_count(), 0U);

  progress = {};
  EXPECT_EQ(code_of([&] { run(client.request({.target = "/never"}, Deadline::in(20ms), &progress)); }), ErrorCode::deadline_exceeded);
  EXPECT_TRUE(progress.connected && progress.sent && !progress.answered);

  HttpClient nowhere(Address::unix_socket("/nonexistent/socket"));
  progress = {};
  EXPECT_EQ(code_of([&] { run(nowhere.request({.target = "/x"}, Deadline::in(10s), &progress)); }), ErrorCode::unavailable);
  EXPECT_FALSE(progress.connected || progress.sent || progress.answered);
  EXPECT_EQ(progress.connect_errno, ENOENT);
}

TEST(HttpClient, TakesTheConnectionThatADialerGives) {
  TestServer server(route);
  const Address& address = server.unix_address();
  int dialled = 0;
  const auto dial = [](Address to, int* count) -> Task<UniqueFd> {
    ++*count;
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    to.path.copy(name.sun_path, sizeof name.sun_path - 1);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) throw from_errno(errno, "connect");
    co_return socket;
  };
  HttpClient client(Address::unix_socket("/nonexistent/socket"), {.dial = [&] { return dial(address, &dialled); }});
  EXPECT_EQ(request(client, {.target = "/x"}).status, 200);
  EXPECT_EQ(request(client, {.target = "/x"}).status, 200);
  EXPECT_EQ(dialled, 1) << "the connection is kept";
}

TEST(HttpClient, AConnectionThatIsNotMadeInTimeIsGivenUp) {
  const auto never = []() -> Task<UniqueFd> {
    co_await sleep_for(1h);
    co_return UniqueFd();
  };
  HttpClient client(Address::unix_socket("/nonexistent/socket"), {.connect_timeout = 20ms, .dial = never});
  RequestProgress progress;
  EXPECT_EQ(code_of([&] { run(client.request({.target = "/x"}, Deadline::in(10s), &progress)); }), ErrorCode::deadline_exceeded);
  EXPECT_FALSE(progress.connected);
}

}  // namespace
}  // namespace sockerless::net
