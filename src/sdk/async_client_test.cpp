#include "sockerless/async_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/stream_frame.hpp"
#include "sdk/scripted_daemon.hpp"

namespace sockerless {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Type = DockerErrorType;

AsyncClient open_client(const ScriptedDaemon& daemon) {
  DockerConfig config;
  config.socket_path = daemon.path();
  config.timeout = 10s;
  config.retry_attempts = 0;
  config.health_check_interval = 0ms;
  Result<AsyncClient> client = AsyncClient::open(config);
  EXPECT_TRUE(client) << client.error();
  return *std::move(client);
}

void run(asio::awaitable<void> task) {
  asio::io_context context(1);
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr result) { failure = std::move(result); });
  context.run();
  EXPECT_FALSE(failure);
}

TEST(AsyncClient, TheSameCallsAwaited) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    if (connection.asks("GET /v1.44/containers/json?all=1")) return connection.answer(200, R"([{"Id":"abc"}])");
    if (connection.asks("POST /v1.44/containers/x/start")) return connection.answer(304, "");
    connection.answer(404, R"({"message":"No such container: y"})");
  });
  const AsyncClient client = open_client(daemon);
  run([](AsyncClient c) -> asio::awaitable<void> {
    const auto containers = co_await c.container_list({.all = true});
    EXPECT_TRUE(containers && containers->size() == 1 && containers->front().id == "abc");
    const auto started = co_await c.container_start("x");
    EXPECT_EQ(started.error().type, Type::not_modified);
    const auto missing = co_await c.container_inspect("y");
    EXPECT_EQ(missing.error().message, "No such container: y");
    const auto version = co_await c.api_version();
    EXPECT_EQ(version.value_or("none"), "1.44");
    const auto ping = co_await c.ping();
    EXPECT_EQ(ping->api_version, "1.44");
  }(client));
  EXPECT_EQ(daemon.accepted(), 1);
  EXPECT_EQ(client.pool().idle, 1U);
}

TEST(AsyncClient, StreamsAwaited) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    if (connection.asks("GET /v1.44/events")) return connection.answer(200, "{\"Type\":\"container\"}\n");
    if (connection.asks("GET /v1.44/containers/x/export")) return connection.answer(200, "tar");
    if (connection.asks("PUT ")) {
      std::string body;
      while (!body.ends_with("0\r\n\r\n")) body += connection.receive();
      return connection.answer(200, "");
    }
    connection.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    connection.receive();  // the JSON
    std::string frame;
    api::append_frame(frame, api::StreamKind::standard_output, connection.receive());
    connection.send(frame);
    connection.wait_for_close();
  });
  run([](AsyncClient c) -> asio::awaitable<void> {
    auto events = co_await c.system_events();
    EXPECT_TRUE(events);
    const auto event = co_await events->next();
    EXPECT_TRUE(event && *event && (*event)->type->str() == "container");
    const auto end = co_await events->next();
    EXPECT_TRUE(end && !*end);

    auto archive = co_await c.container_export("x");
    std::array<std::byte, 16> buffer{};
    const auto count = co_await archive->read(buffer);
    EXPECT_EQ(count.value_or(0U), 3U);

    const auto put = co_await c.put_container_archive("x", {.path = "/"}, body_of("content"));
    EXPECT_TRUE(put) << put.error();

    auto exec = co_await c.exec_start("e", {});
    EXPECT_TRUE(exec);
    const auto written = co_await exec->write("hello");
    EXPECT_TRUE(written);
    const auto chunk = co_await exec->next();
    EXPECT_TRUE(chunk && *chunk && (*chunk)->bytes == "hello");
    const auto closed = co_await exec->close_write();
    EXPECT_TRUE(closed);
    const auto ended = co_await exec->next();
    EXPECT_TRUE(ended && !*ended);

    auto another = co_await c.exec_start("e", {});
    EXPECT_TRUE(another);
    another->cancel();
    const auto cancelled = co_await another->next();
    EXPECT_FALSE(cancelled);
    if (!cancelled) EXPECT_EQ(cancelled.error().type, Type::cancelled);
  }(open_client(daemon)));
}

TEST(AsyncClient, EndsWithItsStopTokenAndItsTimeout) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.wait_for_close(); });
  run([](AsyncClient c) -> asio::awaitable<void> {
    const auto timed = co_await c.system_info({.timeout = 20ms});
    EXPECT_EQ(timed.error().type, Type::timeout);
    std::stop_source stop;
    stop.request_stop();
    const auto stopped = co_await c.system_info({.stop = stop.get_token()});
    EXPECT_EQ(stopped.error().type, Type::cancelled);
  }(open_client(daemon)));
  daemon.wait_until_closed();
}

TEST(AsyncClient, ABadConfigurationIsAResult) {
  DockerConfig config;
  Endpoint& endpoint = config.endpoint.emplace();
  endpoint.kind = Endpoint::Kind::tls;
  endpoint.host = "localhost";
  endpoint.port = 1;
  endpoint.tls.ca_file = "/nonexistent/ca.pem";
  const auto client = AsyncClient::open(config);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().type, Type::unknown);
  EXPECT_THAT(client.error().message, testing::HasSubstr("/nonexistent/ca.pem"));
}

}  // namespace
}  // namespace sockerless
