#include "sdk/raw_calls.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/stream_frame.hpp"
#include "sdk/scripted_daemon.hpp"
#include "sdk_calls.hpp"

namespace sockerless {
namespace {

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

Task<std::string> read_all(RawStream& stream) {
  std::string text;
  std::array<std::byte, 100> buffer{};
  for (;;) {
    const Result<std::size_t> count = co_await stream.read(buffer);
    if (!count) co_return text + "!" + count.error().message;
    if (*count == 0) co_return text;
    text += as_text(std::span(buffer).first(*count));
  }
}

TEST(RawCalls, OutputKeepsItsFrames) {
  std::string frames;
  api::append_frame(frames, api::StreamKind::standard_output, "one");
  api::append_frame(frames, api::StreamKind::standard_error, "two");
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (connection.asks("GET /v1.44/containers/framed/logs")) {
      return connection.answer(200, frames, "Content-Type: application/vnd.docker.multiplexed-stream\r\n");
    }
    if (connection.asks("GET /v1.44/containers/raw/logs")) {
      return connection.answer(200, "text\r\n", "Content-Type: application/vnd.docker.raw-stream\r\nX-Extra: told\r\n");
    }
    connection.answer(404, R"({"message":"No such container: y"})");
  });
  const auto ask = [](AsyncClient client, std::string expected) -> Task<void> {
    auto framed = co_await raw_output(client, describe_container_logs("framed", {.stdout = true}));
    EXPECT_FALSE(framed->is_raw());
    EXPECT_EQ(co_await read_all(*framed), expected);
    auto raw = co_await raw_output(client, describe_container_logs("raw", {.stdout = true}));
    EXPECT_TRUE(raw->is_raw());
    EXPECT_EQ(raw->headers().find("X-Extra"), "told");
    EXPECT_EQ(co_await read_all(*raw), "text\r\n");
    const auto missing = co_await raw_output(client, describe_container_logs("y", {.stdout = true}));
    EXPECT_EQ(missing.error().message, "No such container: y");
  };
  run(ask(open_client(daemon), frames));
}

TEST(RawCalls, AnUploadIsWrittenByItsCaller) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    std::string body;
    while (body.find("0\r\n\r\n") == std::string::npos) {
      const std::string more = connection.receive();
      if (more.empty()) break;
      body += more;
    }
    connection.answer(200, body.find("first") < body.find("second") ? "{\"stream\":\"both\"}\r\n{}\r\n" : "{}");
  });
  const auto ask = [](AsyncClient client) -> Task<void> {
    auto upload = co_await raw_upload(client, describe_image_load({}));
    EXPECT_TRUE(co_await upload->write(as_bytes("first")));
    EXPECT_TRUE(co_await upload->write(as_bytes("second")));
    EXPECT_TRUE(co_await upload->close_write());
    EXPECT_EQ(*co_await upload->next_line(), "{\"stream\":\"both\"}\r");
    EXPECT_EQ(*co_await upload->next_line(), "{}\r");
    EXPECT_EQ(*co_await upload->next_line(), std::nullopt);
  };
  run(ask(open_client(daemon)));
}

TEST(RawCalls, AnUploadThatIsRefusedSaysWhy) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.answer(403, R"({"message":"not here"})");
    connection.close();
  });
  const auto ask = [](AsyncClient client) -> Task<void> {
    auto upload = co_await raw_upload(client, describe_image_load({}));
    const auto line = co_await upload->next_line();
    EXPECT_EQ(line.error().type, Type::forbidden);
    EXPECT_EQ(line.error().message, "not here");
  };
  run(ask(open_client(daemon)));
}

TEST(RawCalls, CancellingEndsWhatWaits) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.wait_for_close();
    connection.close();
  });
  const auto ask = [](AsyncClient client) -> Task<void> {
    // The head means that the wait is registered; the body may never come.
    auto wait = co_await raw_answer(client, describe_container_wait("x", {}));
    EXPECT_TRUE(wait) << "its head has come";
    wait->cancel();
    const auto line = co_await wait->next_line();
    EXPECT_EQ(line.error().type, Type::cancelled);
  };
  run(ask(open_client(daemon)));
  daemon.wait_until_closed();
}

TEST(RawCalls, AnAnswerIsReadAsTheCallerSays) {
  ScriptedDaemon daemon(
      [](ScriptedConnection& connection) { connection.answer(200, R"([{"Name":"n","Containers":{"c":{"Name":"web"}}}])"); });
  const auto ask = [](AsyncClient client) -> Task<void> {
    const auto networks = co_await json_call<std::vector<api::NetworkInspect>>(client, describe_network_list({}));
    EXPECT_EQ(networks->front().containers->at("c").name, "web");
    const auto wrong = co_await json_call<api::NetworkInspect>(client, describe_network_list({}));
    EXPECT_EQ(wrong.error().type, Type::connection);
  };
  run(ask(open_client(daemon)));
}

}  // namespace
}  // namespace sockerless
