#include "sockerless/client.hpp"

#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sdk/scripted_daemon.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;
using Type = DockerErrorType;

/// Quick to give up, nothing in the background.
DockerConfig config_of(const ScriptedDaemon& daemon) {
  DockerConfig config;
  config.socket_path = daemon.path();
  config.timeout = 5s;
  config.retry_attempts = 0;
  config.retry_delay = 1ms;
  config.health_check_interval = 0ms;
  return config;
}

Client open_client(DockerConfig config) {
  Result<Client> client = Client::open(std::move(config));
  EXPECT_TRUE(client) << client.error();
  return *std::move(client);
}

template <typename T>
DockerError error_of(const Result<T>& result) {
  EXPECT_FALSE(result) << "it succeeded";
  return result ? DockerError{} : result.error();
}

TEST(Client, CallsInTheVersionThatBothSpeak) {
  std::vector<std::string> asked;
  ScriptedDaemon daemon(
      [&](ScriptedConnection& connection) {
        asked.push_back(connection.request().substr(0, connection.request().find("\r\n")));
        connection.answer(200, R"([{"Id":"abc","Names":["/x"],"New":{"a":1}}])");
      },
      "1.43");
  const Client client = open_client(config_of(daemon));
  const auto containers = client.container_list({.all = true, .filters = {{"name", "x"}}});
  ASSERT_TRUE(containers) << containers.error();
  ASSERT_EQ(containers->size(), 1U);
  EXPECT_EQ(containers->front().id, "abc");
  ASSERT_TRUE(client.container_list());
  EXPECT_THAT(asked, testing::ElementsAre("GET /v1.43/containers/json?all=1&filters=%7B%22name%22%3A%7B%22x%22%3Atrue%7D%7D HTTP/1.1",
                                          "GET /v1.43/containers/json HTTP/1.1"));
  EXPECT_EQ(daemon.pings(), 1) << "the version is asked once";
  EXPECT_EQ(daemon.accepted(), 1) << "the connection is kept";
  EXPECT_EQ(client.pool().idle, 1U);
  EXPECT_EQ(client.pool().in_use, 0U);
  const Result<std::string> version = client.api_version();
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, "1.43");
  EXPECT_TRUE(client.connection_state().is_connected);
}

TEST(Client, ADaemonsNewerVersionIsNotSpokenAndAPinnedOneIsNotAsked) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "{}"); }, "9.99");
  const Result<std::string> version = open_client(config_of(daemon)).api_version();
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, "1.51");
  DockerConfig config = config_of(daemon);
  config.api_version = "1.30";
  const Client pinned = open_client(config);
  ASSERT_TRUE(pinned.system_info());
  EXPECT_EQ(daemon.pings(), 1);
  config.api_version = "latest";
  EXPECT_EQ(error_of(Client::open(config)).type, Type::unknown);
}

TEST(Client, ADaemonThatIsTooOldIsToldByItsVersion) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "{}"); }, "1.12");
  const DockerError error = error_of(open_client(config_of(daemon)).system_info());
  EXPECT_EQ(error.type, Type::unknown);
  EXPECT_THAT(error.message, testing::AllOf(testing::HasSubstr(daemon.path()), testing::HasSubstr("1.12 only, which is older than 1.24")));
}

TEST(Client, TheDaemonsErrorsKeepStatusAndText) {
  struct Row {
    int status;
    Type type;
    bool recoverable;
  };
  for (const auto& [status, type, recoverable] :
       {Row{304, Type::not_modified, false}, Row{400, Type::bad_request, false}, Row{401, Type::unauthorized, false},
        Row{403, Type::forbidden, false}, Row{404, Type::not_found, false}, Row{409, Type::conflict, false},
        Row{418, Type::bad_request, false}, Row{429, Type::throttled, true}, Row{500, Type::server_error, false},
        Row{501, Type::not_implemented, false}, Row{502, Type::server_error, true}, Row{503, Type::unavailable, true}}) {
    ScriptedDaemon daemon([&](ScriptedConnection& connection) {
      const std::string body = status == 304 ? "" : R"({"message":"No such container: x"})";
      connection.answer(status, body, status >= 429 ? "Retry-After: 7\r\n" : "");
    });
    const Client client = open_client(config_of(daemon));
    const DockerError error = error_of(client.container_start("x"));
    EXPECT_EQ(error.type, type) << status;
    EXPECT_EQ(error.code, status);
    EXPECT_EQ(error.recoverable, recoverable) << status;
    if (status != 304) EXPECT_EQ(error.message, "No such container: x");
    if (status >= 429) EXPECT_EQ(error.retry_after, 7s);
    EXPECT_TRUE(error.is_api_error());
    EXPECT_TRUE(client.connection_state().is_connected) << "it answered";
  }
}

TEST(Client, AnErrorOfAnotherFormIsItsText) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(502, "<html>bad gateway</html>\n"); });
  EXPECT_EQ(error_of(open_client(config_of(daemon)).system_info()).text(), "server_error (502): <html>bad gateway</html>");
}

TEST(Client, NobodyThere) {
  DockerConfig config;
  config.socket_path = "/nonexistent/docker.sock";
  config.health_check_interval = 0ms;
  config.retry_attempts = 1;
  config.retry_delay = 1ms;
  const Client client = open_client(config);
  const DockerError error = error_of(client.system_info());
  EXPECT_EQ(error.type, Type::connection);
  EXPECT_EQ(error.code, ENOENT);
  EXPECT_THAT(error.message, HasSubstr("/nonexistent/docker.sock"));
  EXPECT_TRUE(error.recoverable);
  EXPECT_FALSE(client.connection_state().is_connected);
  EXPECT_EQ(client.connection_state().retry_count, 2);
}

/// Makes all threads of this process nobody's, and root's again at its end.
class Unprivileged {
 public:
  Unprivileged() { EXPECT_TRUE(::setgroups(0, nullptr) == 0 && ::setegid(65534) == 0 && ::seteuid(65534) == 0); }
  ~Unprivileged() { EXPECT_TRUE(::seteuid(0) == 0 && ::setegid(0) == 0); }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
};

TEST(Client, ASocketThatIsForbiddenIsAPermissionErrorWithAdvice) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "{}"); });
  std::filesystem::permissions(std::filesystem::path(daemon.path()).parent_path(), std::filesystem::perms(0755));
  std::filesystem::permissions(daemon.path(), std::filesystem::perms(0660));
  DockerConfig config = config_of(daemon);
  config.retry_attempts = 3;
  const Client client = open_client(config);
  std::optional<DockerError> error;
  {
    const Unprivileged nobody;
    error = error_of(client.system_info());
  }
  EXPECT_EQ(error->type, Type::permission) << *error;
  EXPECT_EQ(error->code, EACCES);
  EXPECT_FALSE(error->recoverable);
  EXPECT_THAT(error->message, testing::AllOf(HasSubstr(daemon.path()), HasSubstr("group"))) << "it says what to do";
  EXPECT_EQ(client.connection_state().last_error, error);
  EXPECT_EQ(client.connection_state().retry_count, 1) << "trying again does not help";
  EXPECT_TRUE(client.system_info()) << "it may enter again";
}

// --- repeating -------------------------------------------------------------------------------------------------------------------------

TEST(Client, RepeatsOnlyWhatMayBeRepeated) {
  std::atomic<int> asked = 0;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (++asked % 3 == 0) return connection.answer(200, R"({"Id":"x"})");
    connection.close();
  });
  DockerConfig config = config_of(daemon);
  config.retry_attempts = 2;
  const Client client = open_client(config);
  EXPECT_TRUE(client.container_inspect("x")) << "GET: twice broken, then answered";
  EXPECT_EQ(asked, 3);
  const DockerError error = error_of(client.container_create({}));
  EXPECT_EQ(error.type, Type::connection);
  EXPECT_EQ(asked, 4) << "POST was sent: it is not repeated";
  EXPECT_EQ(error_of(client.container_inspect("x", {}, {.retry_attempts = 0})).type, Type::connection);
  EXPECT_EQ(asked, 5) << "the caller's wish";
}

TEST(Client, ADeleteThatIsRepeatedBecauseItsAnswerWasLostMayFindNothing) {
  std::atomic<int> asked = 0;
  std::atomic<int> first_status = 0;  // 0: no answer
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (++asked > 1) return connection.answer(404, R"({"message":"No such container: x"})");
    if (first_status == 0) return connection.close();
    connection.answer(first_status, R"({"message":"busy"})");
  });
  DockerConfig config = config_of(daemon);
  config.api_version = "1.44";
  config.retry_attempts = 1;
  EXPECT_TRUE(open_client(config).container_delete("x")) << "it is gone";
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(error_of(open_client(config).container_delete("x")).type, Type::not_found) << "the first answer";
  asked = 0;
  first_status = 503;
  EXPECT_EQ(error_of(open_client(config).container_delete("x")).type, Type::not_found) << "a refusal says that nothing was done";
  asked = 0;
  first_status = 0;
  EXPECT_EQ(error_of(open_client(config).container_inspect("x")).type, Type::not_found);
}

TEST(Client, ADeleteOnAPooledConnectionThatBrokeMayFindNothing) {
  std::atomic<int> asked = 0;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (connection.asks("GET")) return connection.answer(200, "{}");
    if (++asked == 1) return connection.close();
    connection.answer(404, R"({"message":"No such container: x"})");
  });
  const Client client = open_client(config_of(daemon));
  ASSERT_TRUE(client.system_info());
  EXPECT_TRUE(client.container_delete("x"));
  EXPECT_EQ(asked, 2);
}

TEST(Client, ARequestThatWasNeverSentIsRepeatedWhateverItIs) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(201, R"({"Id":"x","Warnings":[]})"); });
  DockerConfig config = config_of(daemon);
  config.api_version = "1.44";
  config.retry_attempts = 100;
  config.retry_delay = 20ms;
  config.max_retry_delay = 20ms;
  config.breaker_failures = 1000;
  daemon.stop();
  const Client client = open_client(config);
  auto created = std::async(std::launch::async, [&] { return client.container_create({}); });
  while (client.connection_state().retry_count == 0) std::this_thread::yield();
  daemon.start();
  const auto result = created.get();
  EXPECT_TRUE(result) << result.error();
}

TEST(Client, ABusyDaemonIsAskedAgainWhenItSaid) {
  std::atomic<int> asked = 0;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (++asked == 1) return connection.answer(503, R"({"message":"busy"})", "Retry-After: 1\r\n");
    connection.answer(200, "{}");
  });
  DockerConfig config = config_of(daemon);
  config.retry_attempts = 1;
  const Client client = open_client(config);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(client.system_info());
  EXPECT_GE(std::chrono::steady_clock::now() - start, 1s);
  asked = 0;
  EXPECT_EQ(error_of(client.container_create({})).retry_after, 1s) << "POST is the caller's to repeat";
  EXPECT_EQ(asked, 1);
  asked = 0;
  const DockerError error = error_of(client.system_info({.timeout = 500ms}));
  EXPECT_EQ(error.type, Type::unavailable) << "no time left to wait that long";
}

TEST(Client, TheBreakerStopsCallsToADeadDaemonAndClosesWhenItIsBack) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "{}"); });
  DockerConfig config = config_of(daemon);
  config.breaker_failures = 3;
  config.breaker_delay = 50ms;
  config.max_breaker_delay = 50ms;
  const Client client = open_client(config);
  ASSERT_TRUE(client.system_info());
  daemon.stop();
  for (int i = 0; i < 3; ++i) {
    const DockerError error = error_of(client.system_info());
    EXPECT_EQ(error.code, ENOENT) << error;
  }
  ASSERT_NE(client.breaker_state(), BreakerState::closed);
  std::optional<DockerError> refused;
  for (int i = 0; i < 1000 && !refused; ++i) {
    const DockerError error = error_of(client.system_info());
    if (error.retry_after) refused = error;
  }
  ASSERT_TRUE(refused) << "no call was refused at once";
  EXPECT_THAT(refused->message, StartsWith("the Docker daemon cannot be reached, next try in"));
  EXPECT_LE(*refused->retry_after, 50ms);
  EXPECT_TRUE(client.connection_state().next_retry_at);
  daemon.start();
  const auto give_up = std::chrono::steady_clock::now() + 10s;
  while (!client.system_info() && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_TRUE(client.system_info()) << "no restart, no help";
  EXPECT_EQ(client.breaker_state(), BreakerState::closed);
  EXPECT_FALSE(client.connection_state().last_error);
}

// --- time and cancellation -------------------------------------------------------------------------------------------------------------

TEST(Client, ADaemonThatNeverAnswersIsATimeout) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.wait_for_close(); });
  const Client client = open_client(config_of(daemon));
  const DockerError error = error_of(client.system_info({.timeout = 30ms}));
  EXPECT_EQ(error.type, Type::timeout);
  EXPECT_TRUE(error.recoverable);
  EXPECT_THAT(error.message, HasSubstr("GET /v1.44/info"));
  EXPECT_EQ(error_of(client.container_create({}, {}, {.timeout = 30ms})).type, Type::timeout);
  EXPECT_EQ(error_of(client.container_logs("x", {}, {.timeout = 30ms})).type, Type::timeout);
  EXPECT_EQ(error_of(client.exec_start("x", {}, {.timeout = 30ms})).type, Type::timeout);
  daemon.wait_until_closed();
}

TEST(Client, TheAnswerHasATimeOfItsOwn) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.wait_for_close(); });
  DockerConfig config = config_of(daemon);
  config.answer_timeout = 30ms;
  config.timeout = 1h;
  EXPECT_EQ(error_of(open_client(config).system_info()).type, Type::timeout);
}

TEST(Client, AStopTokenEndsACall) {
  std::promise<void> reached;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    reached.set_value();
    connection.wait_for_close();
  });
  const Client client = open_client(config_of(daemon));
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] { return client.container_wait("x", {}, {.stop = stop.get_token()}); });
  reached.get_future().wait();
  stop.request_stop();
  EXPECT_EQ(error_of(waiting.get()).type, Type::cancelled);
  EXPECT_EQ(error_of(client.system_info({.stop = stop.get_token()})).type, Type::cancelled);
  daemon.wait_until_closed();
}

TEST(Client, ThePoolIsBoundedAndCallsWaitForAConnection) {
  std::promise<void> let_go;
  const std::shared_future<void> released = let_go.get_future().share();
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    const int now = ++at_once;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) {}
    released.wait();
    --at_once;
    connection.answer(200, "{}");
  });
  DockerConfig config = config_of(daemon);
  config.max_connections = 3;
  const Client client = open_client(config);
  ASSERT_TRUE(client.api_version());
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 12; ++i) calls.push_back(std::async(std::launch::async, [&] { return client.system_info().has_value(); }));
  while (client.pool().waiting < 9 || at_once < 3) std::this_thread::yield();
  EXPECT_EQ(client.pool().in_use, 3U);
  const DockerError error = error_of(client.system_info({.timeout = 20ms}));
  EXPECT_EQ(error.type, Type::timeout);
  EXPECT_THAT(error.message, HasSubstr("one of 3 connections"));
  EXPECT_EQ(client.breaker_state(), BreakerState::closed);
  let_go.set_value();
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_EQ(most, 3);
  EXPECT_LE(daemon.accepted(), 3);
  EXPECT_EQ(client.pool().in_use, 0U);
}

// --- a daemon that misbehaves ----------------------------------------------------------------------------------------------------------

struct Misbehaviour {
  std::string name;
  std::string answer;
  Type type;
};

class MisbehavingDaemon : public testing::TestWithParam<Misbehaviour> {};

TEST_P(MisbehavingDaemon, IsAnErrorAndLeaksNothing) {
  const Misbehaviour& how = GetParam();
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    connection.send(how.answer);
    connection.close();
  });
  DockerConfig config = config_of(daemon);
  config.max_response_bytes = 1024UL * 1024;
  const Client client = open_client(config);
  ASSERT_TRUE(client.api_version());
  const std::size_t before = count_descriptors();
  for (int i = 0; i < 4; ++i) {
    const DockerError error = error_of(client.system_info());
    EXPECT_EQ(error.type, how.type) << error;
    EXPECT_FALSE(error.message.empty());
  }
  daemon.wait_until_closed();
  EXPECT_LE(count_descriptors(), before);
  EXPECT_EQ(client.pool().in_use, 0U);
  EXPECT_EQ(client.pool().idle, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Client, MisbehavingDaemon,
    testing::Values(
        Misbehaviour{"Nothing", "", Type::connection}, Misbehaviour{"HalfAStatusLine", "HTTP/1.", Type::connection},
        Misbehaviour{"HalfAHead", "HTTP/1.1 200 OK\r\nContent-Le", Type::connection},
        Misbehaviour{"NotHttp", "SSH-2.0-OpenSSH_9.2\r\n\r\n", Type::connection},
        Misbehaviour{"AHeadWithoutEnd", "HTTP/1.1 200 OK\r\nX: " + std::string(1024UL * 1024, 'x'), Type::connection},
        Misbehaviour{"ShorterThanItsLength", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", Type::connection},
        Misbehaviour{"LongerThanItsLength", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", Type::connection},
        Misbehaviour{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Type::connection},
        Misbehaviour{"ALengthThatIsNone", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", Type::connection},
        Misbehaviour{"MoreThanIsTaken", "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n" + std::string(2UL * 1024 * 1024, ' '),
                     Type::unknown},
        Misbehaviour{"AChunkThatBreaks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", Type::connection},
        Misbehaviour{"NoLastChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", Type::connection},
        Misbehaviour{"ChunksOfNonsense", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", Type::connection},
        Misbehaviour{"NotJson", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", Type::connection},
        Misbehaviour{"JsonOfAnotherKind", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", Type::connection}),
    [](const auto& test) { return test.param.name; });

TEST(Client, WhatIsNoDockerDaemonIsSaidSo) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, "hello"); });
  daemon.script_pings();
  const DockerError error = error_of(open_client(config_of(daemon)).system_info());
  EXPECT_EQ(error.type, Type::connection);
  EXPECT_THAT(error.message, HasSubstr("is not a Docker daemon"));
}

TEST(Client, AnswersInTheHead) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    // {"name":"x","size":3,"mode":420,"mtime":"2024-01-02T03:04:05Z","linkTarget":"y","more":[1]}
    const std::string_view stat =
        "eyJuYW1lIjoieCIsInNpemUiOjMsIm1vZGUiOjQyMCwibXRpbWUiOiIyMDI0LTAxLTAyVDAzOjA0OjA1WiIsImxpbmtUYXJnZXQiOiJ5IiwibW9yZSI6WzFdfQ==";
    if (connection.request().find("path=%2Fx%20y") != std::string::npos) {
      return connection.send(fmt::format("HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: {}\r\nContent-Length: 0\r\n\r\n", stat));
    }
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const Client client = open_client(config_of(daemon));
  const Result<PathInfo> stat = client.container_archive_info("c", "/x y");
  ASSERT_TRUE(stat) << stat.error();
  EXPECT_EQ(stat->name, "x");
  EXPECT_EQ(stat->size, 3);
  EXPECT_EQ(stat->mode, 0644U);
  EXPECT_EQ(stat->modified, "2024-01-02T03:04:05Z");
  EXPECT_EQ(stat->link_target, "y");
  EXPECT_EQ(error_of(client.container_archive_info("c", "/other")).type, Type::connection);
  const Result<PingInfo> ping = client.ping();
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->api_version, "1.44");
}

}  // namespace
}  // namespace sockerless
