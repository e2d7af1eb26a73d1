#include "net/server.hpp"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Task<void> count_body(Exchange& exchange) {
  std::array<std::byte, 16384> buffer{};
  std::uint64_t total = 0;
  while (const std::size_t count = co_await exchange.body().read_some(buffer)) total += count;
  co_await exchange.respond(200, {}, std::to_string(total));
}

Task<void> stream_two(Exchange& exchange) {
  BodyWriter* writer = co_await exchange.respond_stream(200, {{"Content-Type", "text/plain"}});
  co_await writer->write(as_bytes("one"));
  co_await writer->write(as_bytes("two"));
  co_await writer->finish();
}

Task<void> break_off(Exchange& exchange) {
  BodyWriter* writer = co_await exchange.respond_stream(200, {});
  co_await writer->write(as_bytes("half"));
  throw Error::conflict("too late to say so");
}

/// Answers each piece of the body as it comes: both directions of one exchange at once.
Task<void> echo_pieces(Exchange& exchange) {
  BodyWriter* writer = co_await exchange.respond_stream(200, {});
  std::array<std::byte, 4096> buffer{};
  while (const std::size_t count = co_await exchange.body().read_some(buffer)) co_await writer->write(std::span(buffer).first(count));
  co_await writer->finish();
}

Task<void> route(Exchange& exchange) {
  const std::string& path = exchange.request().path;
  if (path == "/echo") co_return co_await exchange.respond(200, {}, co_await exchange.read_body(1000));
  if (path == "/count") co_return co_await count_body(exchange);
  if (path == "/stream") co_return co_await stream_two(exchange);
  if (path == "/broken") co_return co_await break_off(exchange);
  if (path == "/duplex") co_return co_await echo_pieces(exchange);
  if (path == "/conflict") throw Error::conflict("Conflict. The name \"/x\" is in use");
  if (path == "/unmodified") throw Error::not_modified("container already started");
  if (path == "/throw") throw std::runtime_error("inner detail");
  if (path == "/204") co_return co_await exchange.respond(204, {}, {});
  if (path == "/silent") co_return;
  co_await exchange.respond(200, {{"Content-Type", "text/plain"}}, "OK " + path);
}

std::string get(std::string_view path, std::string_view fields = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, fields);
}
constexpr std::string_view kClose = "Connection: close\r\n";

TEST(HttpServer, AnswersOverUnixAndTcp) {
  TestServer server(route);
  for (const Address& address : {server.unix_address(), server.tcp_address()}) {
    const std::string reply = talk(address, get("/x", kClose));
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(reply, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(reply, HasSubstr("\r\nDate: "));
    EXPECT_THAT(reply, EndsWith("\r\n\r\nOK /x"));
  }
}

TEST(HttpServer, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  std::string many;
  for (int i = 0; i < 100; ++i) many += get("/" + std::to_string(i));
  client.send(many);
  for (int i = 0; i < 100; ++i) EXPECT_THAT(client.read_response(), EndsWith("OK /" + std::to_string(i)));
  client.send(get("/last", kClose));
  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n"));
}

TEST(HttpServer, Http10IsClosedUnlessItAsksOtherwise) {
  TestServer server(route);
  EXPECT_THAT(talk(server.tcp_address(), "GET / HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
  RawClient client(server.tcp_address());
  client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.read_response(), HasSubstr("Connection: keep-alive\r\n"));
  client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string streamed = client.read_to_end();
  EXPECT_THAT(streamed, Not(HasSubstr("chunked")));
  EXPECT_THAT(streamed, EndsWith("\r\n\r\nonetwo"));
}

TEST(HttpServer, ConstantHeadersAreOnEveryAnswerUnlessTheHandlerSetsThem) {
  TestServerOptions options;
  options.server.constant_headers = {{"Api-Version", "1.51"}, {"Content-Type", "application/json"}};
  TestServer server(route, options);
  const std::string ok = talk(server.tcp_address(), get("/", kClose));
  EXPECT_THAT(ok, HasSubstr("Api-Version: 1.51\r\n"));
  EXPECT_THAT(ok, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(ok, Not(HasSubstr("application/json")));
  EXPECT_THAT(talk(server.tcp_address(), get("/stream", kClose)), HasSubstr("Api-Version: 1.51\r\n"));
  EXPECT_THAT(talk(server.tcp_address(), "rubbish\r\n\r\n"), HasSubstr("Api-Version: 1.51\r\n"));
}

TEST(HttpServer, AStreamIsChunkedAndEachWriteIsFlushed) {
  TestServer server(route);
  RawClient client(server.unix_address());
  client.send(get("/stream"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
  client.send(get("/again"));
  EXPECT_THAT(client.read_response(), EndsWith("OK /again"));
}

TEST(HttpServer, RequestAndAnswerMayStreamAtTheSameTime) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send("POST /duplex HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.read_until("\r\n\r\n");
  for (const std::string piece : {"a", "bc", "def"}) {
    client.send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
    EXPECT_EQ(client.read_until(piece + "\r\n"), fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  }
  client.send("0\r\n\r\n" + get("/next"));
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_THAT(client.read_response(), EndsWith("OK /next"));
}

TEST(HttpServer, AHandlersErrorIsItsStatusWithAMessage) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send(get("/conflict"));
  const std::string conflict = client.read_response();
  EXPECT_THAT(conflict, StartsWith("HTTP/1.1 409 Conflict\r\n"));
  EXPECT_THAT(conflict, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(conflict, EndsWith("\r\n\r\n{\"message\":\"Conflict. The name \\\"/x\\\" is in use\"}\n"));
  client.send(get("/unmodified"));
  const std::string unmodified = client.read_until("\r\n\r\n");
  EXPECT_THAT(unmodified, StartsWith("HTTP/1.1 304 Not Modified\r\n"));
  EXPECT_THAT(unmodified, Not(HasSubstr("Content-")));
  client.send(get("/throw"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
  client.send(get("/silent"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
  client.send(get("/alive"));
  EXPECT_THAT(client.read_response(), EndsWith("OK /alive"));
}

TEST(HttpServer, AnErrorAfterTheHeadBreaksTheStreamVisibly) {
  TestServer server(route);
  const std::string chunked = talk(server.tcp_address(), get("/broken"));
  EXPECT_THAT(chunked, EndsWith("4\r\nhalf\r\n"));
  RawClient old(server.tcp_address());
  old.send("GET /broken HTTP/1.0\r\n\r\n");
  old.read_to_end();
  EXPECT_TRUE(old.was_reset()) << "without chunks an end-of-file would look like the end of the body";
}

TEST(HttpServer, HeadAnd204And304HaveNoBody) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + get("/204") + "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" + get("/end", kClose));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 5\r\n"));
  const std::string empty = client.read_until("\r\n\r\n");
  EXPECT_THAT(empty, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(empty, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, ContinueIsSentWhenTheBodyIsFirstRead) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nhello"));
}

TEST(HttpServer, ContinueIsNotSentForABodyNobodyReads) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send("POST /conflict HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 409 "));
  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n")) << "the client may or may not send the body now";
  EXPECT_THAT(talk(server.tcp_address(), get("/", "Expect: a-miracle\r\n")), StartsWith("HTTP/1.1 417 "));
}

TEST(HttpServer, ABodyBeyondItsLimitIs413AndOneWithoutLimitStreams) {
  TestServer server(route);
  EXPECT_THAT(talk(server.tcp_address(), "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x')),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(talk(server.tcp_address(), "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
                                             std::string(2000, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(talk(server.tcp_address(),
                   "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x')),
              EndsWith("\r\n\r\n" + std::string(1000, 'x')));
  RawClient client(server.unix_address());
  const std::string megabyte(1024UL * 1024, 'x');
  client.send(fmt::format("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 20 * megabyte.size()));
  for (int i = 0; i < 20; ++i) client.send(megabyte);
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n20971520"));
  client.send("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 5; ++i) client.send("100000\r\n" + megabyte + "\r\n");
  client.send("0\r\n\r\n");
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n5242880"));
}

TEST(HttpServer, AnUnreadBodyIsDroppedAndTheNextRequestServed) {
  TestServer server(route);
  RawClient client(server.tcp_address());
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(100000, 'x') + get("/b") +
              "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get("/d"));
  for (const std::string path : {"/a", "/b", "/c", "/d"}) EXPECT_THAT(client.read_response(), EndsWith("OK " + path));
}

TEST(HttpServer, AHeaderBeyondItsLimitIs431) {
  TestServerOptions options;
  options.server.limits.header_bytes = 2000;
  options.server.limits.header_fields = 20;
  TestServer server(route, options);
  EXPECT_THAT(talk(server.tcp_address(), get("/", "X: " + std::string(3000, 'x') + "\r\n")), StartsWith("HTTP/1.1 431 "));
  std::string fields;
  for (int i = 0; i < 30; ++i) fields += "X: y\r\n";
  EXPECT_THAT(talk(server.tcp_address(), get("/", fields)), StartsWith("HTTP/1.1 431 "));
}

TestServerOptions short_times() {
  TestServerOptions options;
  options.server.limits = {.header_timeout = 80ms, .idle_timeout = 80ms, .body_timeout = 80ms, .write_timeout = 80ms};
  return options;
}

TEST(HttpServer, ASlowHeaderASilentAndAnIdleConnectionAreClosed) {
  TestServer server(route, short_times());
  RawClient silent(server.tcp_address());
  EXPECT_EQ(silent.read_to_end(), "");
  RawClient slow(server.tcp_address());
  slow.send("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(slow.read_to_end(), "");
  RawClient idle(server.tcp_address());
  idle.send(get("/x"));
  EXPECT_THAT(idle.read_to_end(), EndsWith("OK /x"));
}

TEST(HttpServer, ADrippingHeaderIsClosedThoughBytesKeepComing) {
  TestServer server(route, short_times());
  RawClient client(server.tcp_address());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n");
  const auto start = std::chrono::steady_clock::now();
  while (client.try_send("X: y\r\n") && std::chrono::steady_clock::now() - start < 5s)
    std::this_thread::sleep_for(5ms);  // the drip is the test
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

Task<void> report_failure(Exchange& exchange, std::promise<ErrorCode>* failed) {
  std::optional<Error> failure;
  try {
    co_await route(exchange);
  } catch (...) {
    failure = current_error();
  }
  if (failure) failed->set_value(failure->code());
  if (failure) throw Error(*failure);
}

TEST(HttpServer, AStalledBodyEndsTheHandler) {
  std::promise<ErrorCode> failed;
  TestServer server([&failed](Exchange& exchange) { return report_failure(exchange, &failed); }, short_times());
  RawClient client(server.tcp_address());
  client.send("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(failed.get_future().get(), ErrorCode::deadline_exceeded);
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, AClientGoneInTheMiddleOfItsBodyEndsTheHandler) {
  std::promise<ErrorCode> failed;
  TestServer server([&failed](Exchange& exchange) { return report_failure(exchange, &failed); });
  RawClient client(server.unix_address());
  client.send("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
  client.close();
  EXPECT_EQ(failed.get_future().get(), ErrorCode::unavailable);
}

Task<void> flood(Exchange& exchange) {
  BodyWriter* writer = co_await exchange.respond_stream(200, {});
  const std::string block(256UL * 1024, 'x');
  for (;;) co_await writer->write(as_bytes(block));
}

Task<void> flood_and_report(Exchange& exchange, std::promise<ErrorCode>* failed) {
  try {
    co_await flood(exchange);
  } catch (const Error& error) {
    failed->set_value(error.code());
    throw;
  }
}

TEST(HttpServer, AClientThatDoesNotReadItsAnswerIsCutOff) {
  std::promise<ErrorCode> failed;
  TestServer server([&failed](Exchange& exchange) { return flood_and_report(exchange, &failed); }, short_times());
  RawClient client(server.unix_address());
  client.send(get("/"));
  EXPECT_EQ(failed.get_future().get(), ErrorCode::deadline_exceeded);
}

/// Waits for ever, unless the client goes.
Task<void> wait_for_client(Exchange& exchange, Signal* never, std::promise<void>* waiting, std::promise<First>* ended) {
  if (exchange.request().path != "/wait") co_return co_await route(exchange);
  if (waiting != nullptr) waiting->set_value();
  const First first = co_await race(never->wait_changed(never->version()), exchange.until_client_gone());
  ended->set_value(first);
  if (first == First::one) co_await exchange.respond(200, {}, "woken");
}

TEST(HttpServer, AHandlerLearnsThatItsClientIsGone) {
  Signal never;
  std::promise<void> waiting;
  std::promise<First> ended;
  TestServer server([&](Exchange& exchange) { return wait_for_client(exchange, &never, &waiting, &ended); });
  RawClient client(server.tcp_address());
  client.send(get("/wait"));
  waiting.get_future().wait();
  client.close();
  EXPECT_EQ(ended.get_future().get(), First::other);
}

TEST(HttpServer, WhatIsSentWhileTheClientIsWatchedIsTheNextRequest) {
  Signal never;
  std::promise<void> waiting;
  std::promise<First> ended;
  TestServer server([&](Exchange& exchange) { return wait_for_client(exchange, &never, &waiting, &ended); });
  RawClient client(server.tcp_address());
  client.send(get("/wait"));
  waiting.get_future().wait();
  std::string next = get("/big", "X: " + std::string(30000, 'x') + "\r\n");
  client.send(next + get("/next"));
  auto future = ended.get_future();
  while (future.wait_for(1ms) != std::future_status::ready) never.notify();
  EXPECT_EQ(future.get(), First::one);
  EXPECT_THAT(client.read_response(), EndsWith("woken"));
  EXPECT_THAT(client.read_response(), EndsWith("OK /big"));
  EXPECT_THAT(client.read_response(), EndsWith("OK /next"));
}

Task<void> read_while_watching(Exchange& exchange) {
  std::string body;
  const First first =
      co_await race([](Exchange& e, std::string* out) -> Task<void> { *out = co_await e.read_body(1000000); }(exchange, &body),
                    exchange.until_client_gone());
  if (first == First::one) co_await exchange.respond(200, {}, std::to_string(body.size()));
}

TEST(HttpServer, ABodyMayBeReadWhileTheClientIsWatched) {
  TestServer server(read_while_watching);
  RawClient client(server.tcp_address());
  const std::string piece(10000, 'x');
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n");
  for (int i = 0; i < 50; ++i) client.send(piece);
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n500000"));
  client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 50; ++i) client.send("2710\r\n" + piece + "\r\n");
  client.send("0\r\n\r\n");
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n500000"));
}

Task<void> tell_peer(Exchange& exchange) {
  const PeerInfo& peer = exchange.peer();
  co_await exchange.respond(200, {}, fmt::format("{} {}", peer.address, peer.credentials ? std::to_string(peer.credentials->pid) : "-"));
}

TEST(HttpServer, TheHandlerKnowsItsPeer) {
  TestServer server(tell_peer);
  EXPECT_THAT(talk(server.unix_address(), get("/", kClose)), EndsWith(fmt::format("unix {}", ::getpid())));
  EXPECT_THAT(talk(server.tcp_address(), get("/", kClose)), testing::ContainsRegex("127.0.0.1:[0-9]+ -$"));
}

TEST(HttpServer, TheObserverSeesEveryRequestOnce) {
  std::mutex mutex;
  std::vector<std::string> seen;
  TestServerOptions options;
  options.server.on_done = [&](const Exchange& exchange, int status, std::chrono::steady_clock::duration) {
    const std::scoped_lock lock(mutex);
    seen.push_back(fmt::format("{} {}", exchange.request().path, status));
  };
  TestServer server(route, options);
  talk(server.tcp_address(), get("/x") + get("/conflict") + get("/stream", kClose));
  server.stop();
  EXPECT_THAT(seen, testing::ElementsAre("/x 200", "/conflict 409", "/stream 200"));
}

TEST(HttpServer, StoppingEndsIdleConnectionsAndLetsRequestsFinish) {
  Signal never;
  std::promise<void> waiting;
  std::promise<First> ended;
  TestServerOptions options;
  options.grace = 10s;
  TestServer server([&](Exchange& exchange) { return wait_for_client(exchange, &never, &waiting, &ended); }, options);
  RawClient idle(server.tcp_address());
  idle.send(get("/x"));
  idle.read_response();
  RawClient busy(server.unix_address());
  busy.send(get("/wait"));
  waiting.get_future().wait();
  std::jthread stopping([&] { server.stop(); });
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_THROW(RawClient{server.unix_address()}, Error);
  EXPECT_THROW(RawClient{server.tcp_address()}, Error);
  never.notify();
  EXPECT_THAT(busy.read_to_end(), EndsWith("woken"));
  stopping.join();
  EXPECT_EQ(server.server().connection_count(), 0U);
}

TEST(HttpServer, StoppingCancelsWhatOutlivesTheGrace) {
  Signal never;
  std::promise<void> waiting;
  std::promise<First> ended;
  TestServer server([&](Exchange& exchange) { return wait_for_client(exchange, &never, &waiting, &ended); });
  RawClient busy(server.tcp_address());
  busy.send(get("/wait"));
  waiting.get_future().wait();
  server.stop();
  EXPECT_EQ(busy.read_to_end(), "");
}

TEST(HttpServer, FourThreadsServeManyClientsAtOnce) {
  TestServerOptions options;
  options.threads = 4;
  TestServer server(route, options);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 16; ++i) {
      clients.emplace_back([&, i] {
        for (int j = 0; j < 5; ++j) {
          RawClient client(i % 2 == 0 ? server.unix_address() : server.tcp_address());
          for (int k = 0; k < 10; ++k) {
            const std::string path = fmt::format("/{}-{}-{}", i, j, k);
            client.send(get(path) + "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + get("/stream"));
            if (client.read_response().ends_with("OK " + path)) ++right;
            if (client.read_response().ends_with("\r\n\r\nabc")) ++right;
            if (client.read_until("0\r\n\r\n").ends_with("3\r\ntwo\r\n0\r\n\r\n")) ++right;
          }
        }
      });
    }
  }
  EXPECT_EQ(right, 16 * 5 * 10 * 3);
}

}  // namespace
}  // namespace sockerless::net
