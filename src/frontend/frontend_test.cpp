// The frontend over a fake backend, seen from a socket.

#include "frontend/frontend.hpp"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/stream_frame.hpp"
#include "frontend/call.hpp"
#include "frontend/fake_backend.hpp"
#include "net/test_support.hpp"

namespace sockerless::frontend {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string body_of(const std::string& response) { return response.substr(response.find("\r\n\r\n") + 4); }

std::string frame(std::string_view text) {
  std::string out;
  api::append_frame(out, api::StreamKind::standard_output, text);
  return out;
}

class Frontend : public testing::Test {
 protected:
  /// Sends one request on a connection of its own. @return the whole response.
  std::string ask(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view headers = {}) {
    return net::talk(server_.unix_address(), request(method, target, body, headers));
  }
  std::string post_json(std::string_view target, std::string_view body) {
    return ask("POST", target, body, "Content-Type: application/json\r\n");
  }

  static std::string request(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view headers = {}) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}", method, target, headers);
    if (!body.empty()) text += fmt::format("Content-Length: {}\r\n", body.size());
    return text + "\r\n" + std::string(body);
  }
  static std::string upgrade_request(std::string_view target, std::string_view body = {}) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: "
        "{}\r\n\r\n{}",
        target, body.size(), body);
  }
  /// Waits for what another thread is about to do. False after ten seconds.
  static bool eventually(const std::function<bool()>& happened) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!happened()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  FakeState& state() { return backend_.state; }
  const net::Address& address() const { return server_.unix_address(); }

 private:
  FakeBackend backend_;
  FrontendOptions options_;
  net::TestServer server_{make_frontend(backend_, options_), {.server = {.constant_headers = frontend_headers(options_)}}};
};

// --- versions, paths, errors ---------------------------------------------------------------------------------------------------------

TEST_F(Frontend, PingAnswersWithEveryHeaderInBothForms) {
  for (const char* path : {"/_ping", "/v1.44/_ping"}) {
    const std::string response = ask("GET", path);
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    for (const char* header : {"Api-Version: 1.51\r\n", "Docker-Experimental: false\r\n", "Ostype: linux\r\n", "Server: Docker/",
                               "Swarm: inactive\r\n", "Builder-Version: \r\n", "Pragma: no-cache\r\n",
                               "Cache-Control: no-cache, no-store, must-revalidate\r\n", "Content-Type: text/plain; charset=utf-8\r\n"}) {
      EXPECT_THAT(response, HasSubstr(header));
    }
    EXPECT_EQ(body_of(response), "OK");
    EXPECT_EQ(body_of(ask("HEAD", path)), "");
  }
}

TEST_F(Frontend, VersionsOutsideTheRangeAreRefusedInDockersWords) {
  EXPECT_THAT(ask("GET", "/v1.23/info"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("client version 1.23 is too old. Minimum supported API version is 1.24")));
  EXPECT_THAT(ask("GET", "/v1.52/info"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("client version 1.52 is too new. Maximum supported API version is 1.51")));
  EXPECT_THAT(ask("GET", "/v1.24/info"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/v1.51/info"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Frontend, AnEndpointNewerThanTheVersionIs400) {
  EXPECT_THAT(ask("POST", "/v1.24/containers/prune"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("POST", "/v1.25/containers/prune"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/images/x/attestations"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, UnknownPathsAndMethodsArePageNotFound) {
  for (const char* path : {"/", "/nonsense", "/v1.44/nonsense", "/v1.99/nonsense", "/containers", "/containers/c1/nonsense", "/v1.44"}) {
    const std::string response = ask("GET", path);
    EXPECT_THAT(response,
                AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Api-Version: 1.51"), EndsWith("\r\n\r\n{\"message\":\"page not found\"}\n")))
        << path;
  }
  EXPECT_THAT(ask("PUT", "/containers/json"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(Frontend, ARoleThatTheBackendLacksIs501NamingIt) {
  for (const char* path : {"/volumes", "/networks", "/images/search?term=x", "/containers/c1/stats", "/containers/c1/changes"}) {
    EXPECT_THAT(ask("GET", path), AllOf(StartsWith("HTTP/1.1 501 "), HasSubstr("the fake backend does not support"))) << path;
  }
  EXPECT_THAT(ask("POST", "/build", "x"),
              AllOf(StartsWith("HTTP/1.1 501 "), HasSubstr("the fake backend does not support building images")));
  EXPECT_THAT(ask("POST", "/images/create?fromImage=x"), StartsWith("HTTP/1.1 501 "));
}

TEST_F(Frontend, SwarmAndBuildKitAre501) {
  EXPECT_THAT(ask("POST", "/swarm/init"), AllOf(StartsWith("HTTP/1.1 501 "), HasSubstr("does not support Swarm")));
  EXPECT_THAT(ask("POST", "/session"), AllOf(StartsWith("HTTP/1.1 501 "), HasSubstr("DOCKER_BUILDKIT=0")));
  EXPECT_THAT(ask("POST", "/grpc"), StartsWith("HTTP/1.1 501 "));
}

TEST_F(Frontend, TheVersionIsTheFrontendsAndTheRestTheBackends) {
  const std::string body = body_of(ask("GET", "/version"));
  EXPECT_THAT(body, AllOf(HasSubstr(R"("Version":"7.7")"), HasSubstr(R"("ApiVersion":"1.51")"), HasSubstr(R"("MinAPIVersion":"1.24")"),
                          HasSubstr(R"("Name":"Engine")")));
  EXPECT_THAT(body_of(ask("GET", "/v1.24/version")), AllOf(Not(HasSubstr("MinAPIVersion")), Not(HasSubstr("Components"))));
}

// --- bodies --------------------------------------------------------------------------------------------------------------------------

TEST_F(Frontend, ABodyMustBeJsonAndSaySo) {
  const std::string target = "/containers/create";
  EXPECT_THAT(ask("POST", target, "{\"Image\":\"x\"}", "Content-Type: text/plain\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("unsupported Content-Type header (text/plain): must be 'application/json'")));
  EXPECT_THAT(ask("POST", target, "{\"Image\":\"x\"}"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("malformed Content-Type header ()")));
  EXPECT_THAT(ask("POST", target, "{\"Image\":\"x\"}", "Content-Type: application/JSON; charset=utf-8\r\n"), StartsWith("HTTP/1.1 201 "));
  EXPECT_THAT(post_json(target, "{\"Image\":"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(post_json(target, "{\"Image\":\"x\"} more"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("unexpected content after JSON")));
  EXPECT_THAT(ask("POST", target), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("invalid JSON: got EOF while reading request body")));
}

TEST_F(Frontend, ABodyThatIsTooLargeIs413) {
  const std::string big = "{\"Image\":\"" + std::string(5UL << 20U, 'x') + "\"}";
  EXPECT_THAT(post_json("/containers/create", big), StartsWith("HTTP/1.1 413 "));
}

TEST_F(Frontend, APostWithoutABodyNeedsNoContentType) {
  EXPECT_THAT(ask("POST", "/containers/c1/kill?signal=TERM"), StartsWith("HTTP/1.1 204 "));
  EXPECT_TRUE(state().was_asked("kill TERM"));
}

TEST_F(Frontend, UnknownMembersOfACreateReachTheBackend) {
  EXPECT_THAT(post_json("/containers/create?name=n&platform=linux/amd64",
                        R"({"Image":"x","Novel":{"a":[1]},"HostConfig":{"Strange":12345678901234567890}})"),
              AllOf(StartsWith("HTTP/1.1 201 "), EndsWith("{\"Id\":\"c1\",\"Warnings\":[]}\n")));
  EXPECT_TRUE(state().was_asked("create n linux/amd64"));
  const std::string json = state().created.read([](const auto& request) { return api::to_json(request); });
  EXPECT_THAT(json, AllOf(HasSubstr(R"("Novel":{"a":[1]})"), HasSubstr(R"("Strange":12345678901234567890)")));
}

TEST_F(Frontend, StartRefusesAHostConfig) {
  EXPECT_THAT(post_json("/containers/c1/start", "{\"Binds\":[]}"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(post_json("/containers/c1/start", "{}"), StartsWith("HTTP/1.1 304 "));
}

// --- plain answers -------------------------------------------------------------------------------------------------------------------

TEST_F(Frontend, ErrorsOfTheBackendKeepTheirWordsAndStatus) {
  EXPECT_THAT(ask("GET", "/containers/nobody/json"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("{\"message\":\"No such container: nobody\"}\n")));
  const std::string again = ask("POST", "/containers/c1/start");
  EXPECT_THAT(again, StartsWith("HTTP/1.1 304 "));
  EXPECT_EQ(body_of(again), "");
}

TEST_F(Frontend, ANameMayHoldSlashesAndEscapes) {
  EXPECT_THAT(ask("POST", "/images/team%2Fapp:1/tag?repo=other&tag=2"), StartsWith("HTTP/1.1 201 "));
  EXPECT_TRUE(state().was_asked("tag team/app:1 other 2"));
  EXPECT_THAT(ask("GET", "/images/team/app:1/json"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Frontend, AnotherPlatformThanTheImagesIsNotFound) {
  EXPECT_THAT(ask("GET", "/images/team/app:1/json?platform=%7B%22os%22:%22linux%22,%22architecture%22:%22arm64%22%7D"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("does not provide the specified platform (linux/arm64)")));
  EXPECT_THAT(ask("GET", "/images/team/app:1/json?platform=%7B%22os%22:%22linux%22,%22architecture%22:%22amd64%22%7D"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/images/team/app:1/json?platform=nonsense"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, TheSignalOfAStopCountsFrom142On) {
  ask("POST", "/v1.41/containers/c1/stop?signal=INT&t=3");
  EXPECT_TRUE(state().was_asked("stop signal=none t=3"));
  ask("POST", "/v1.42/containers/c1/stop?signal=INT&t=-1");
  EXPECT_TRUE(state().was_asked("stop signal=INT t=-1"));
  EXPECT_THAT(ask("POST", "/containers/c1/stop?t=soon"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, SizesOfATerminalAreChecked) {
  EXPECT_THAT(ask("POST", "/containers/c1/resize?h=40&w=100"), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(state().was_asked("resize 40x100"));
  for (const char* query : {"?h=40", "?h=x&w=1", "?h=-1&w=1", "?h=99999999&w=1"}) {
    EXPECT_THAT(ask("POST", std::string("/containers/c1/resize") + query), StartsWith("HTTP/1.1 400 ")) << query;
  }
}

TEST_F(Frontend, DiskUsageTakesTypesFrom142On) {
  ask("GET", "/system/df?type=volume");
  EXPECT_TRUE(state().was_asked("df volumes"));
  ask("GET", "/v1.41/system/df?type=volume");
  EXPECT_TRUE(state().was_asked("df containers images volumes"));
  EXPECT_THAT(ask("GET", "/system/df?type=nonsense"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("unknown object type: nonsense")));
}

TEST_F(Frontend, AMalformedFilterIs400) { EXPECT_THAT(ask("GET", "/containers/json?filters=%7Bnonsense"), StartsWith("HTTP/1.1 400 ")); }

// --- streams -------------------------------------------------------------------------------------------------------------------------

TEST_F(Frontend, AWaitSendsItsHeadAtOnceFrom130On) {
  net::RawClient client(address());
  client.send(request("POST", "/containers/c1/wait?condition=next-exit"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: application/json\r\n")));
  EXPECT_EQ(state().wait.waiting, 1);
  state().wait.over = true;
  state().wait.changed.notify();
  EXPECT_THAT(client.read_to_end(), HasSubstr("{\"StatusCode\":3}\n"));
}

TEST_F(Frontend, AWaitIsGivenUpWhenTheClientGoes) {
  {
    net::RawClient client(address());
    client.send(request("POST", "/containers/c1/wait"));
    client.read_until("\r\n\r\n");
    EXPECT_EQ(state().wait.waiting, 1);
  }
  EXPECT_TRUE(eventually([&] { return state().wait.waiting == 0; }));
}

TEST_F(Frontend, AnUnknownWaitConditionIs400) {
  EXPECT_THAT(ask("POST", "/containers/c1/wait?condition=soon"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("invalid condition: \\\"soon\\\"")));
  EXPECT_THAT(ask("POST", "/containers/nobody/wait"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(Frontend, LogsNeedAStreamAndTellTheirFraming) {
  EXPECT_THAT(ask("GET", "/containers/c1/logs"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Bad parameters: you must choose at least one stream")));
  state().make_source = [] { return std::make_unique<FakeSource>(std::deque<std::string>{frame("one\n"), frame("two\n")}); };
  const std::string response = ask("GET", "/containers/c1/logs?stdout=1");
  EXPECT_THAT(response, AllOf(HasSubstr("Content-Type: application/vnd.docker.multiplexed-stream\r\n"), HasSubstr(frame("one\n")),
                              HasSubstr(frame("two\n"))));
  EXPECT_THAT(ask("GET", "/v1.41/containers/c1/logs?stdout=1"), HasSubstr("Content-Type: application/vnd.docker.raw-stream\r\n"));
  state().framing = Framing::raw;
  EXPECT_THAT(ask("GET", "/containers/c1/logs?stdout=1"), HasSubstr("Content-Type: application/vnd.docker.raw-stream\r\n"));
}

TEST_F(Frontend, LogsThatFailSayItInTheStream) {
  state().make_source = [] {
    return std::make_unique<FakeSource>(std::deque<std::string>{frame("one\n")}, Error::unavailable("the disk is gone"));
  };
  EXPECT_THAT(ask("GET", "/containers/c1/logs?stdout=1"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Error grabbing logs: the disk is gone")));
}

TEST_F(Frontend, FollowedLogsAreLetGoWhenTheClientGoes) {
  auto source = std::make_shared<FakeSource::State>();
  state().make_source = [source] {
    return std::make_unique<FakeSource>(std::deque<std::string>{frame("one\n")}, std::nullopt, true, source);
  };
  {
    net::RawClient client(address());
    client.send(request("GET", "/containers/c1/logs?stdout=1&follow=1"));
    client.read_until("one\n");
    EXPECT_TRUE(eventually([&] { return source->waiting.load(); }));
    EXPECT_FALSE(source->destroyed);
  }
  EXPECT_TRUE(eventually([&] { return source->destroyed.load(); }));
}

TEST_F(Frontend, AttachUpgradesAndCarriesBothDirectionsWithHalfClose) {
  net::RawClient client(address());
  client.send(upgrade_request("/containers/c1/attach?stream=1&stdin=1&stdout=1"));
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 101 UPGRADED\r\n"), HasSubstr("Upgrade: tcp\r\n"), HasSubstr("Connection: Upgrade\r\n"),
                    HasSubstr("Content-Type: application/vnd.docker.multiplexed-stream\r\n"), Not(HasSubstr("Transfer-Encoding")),
                    Not(HasSubstr("Content-Length"))));
  client.send("hello\n");
  EXPECT_EQ(client.read_until("hello\n"), frame("hello\n"));
  client.send("last\n");
  client.half_close();
  EXPECT_EQ(client.read_to_end(), frame("last\n"));
}

TEST_F(Frontend, AttachWithoutUpgradeIsARawStreamUnder200) {
  net::RawClient client(address());
  client.send("POST /containers/c1/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: application/vnd.docker.raw-stream\r\n")));
  client.send("hello\n");
  client.half_close();
  EXPECT_EQ(client.read_to_end(), frame("hello\n"));
}

TEST_F(Frontend, AttachWithoutInputOutlivesAHalfCloseAndEndsWhenTheClientGoes) {
  {
    net::RawClient client(address());
    client.send(upgrade_request("/containers/c1/attach?stream=1&stdout=1"));
    client.read_until("\r\n\r\n");
    client.half_close();
    ask("GET", "/_ping");
    EXPECT_EQ(state().sessions, 1);
  }
  EXPECT_TRUE(eventually([&] { return state().sessions == 0; }));
}

TEST_F(Frontend, AnAttachThatFailsIsAnHttpError) {
  net::RawClient client(address());
  client.send(upgrade_request("/containers/nobody/attach?stream=1"));
  EXPECT_THAT(client.read_until("nobody\"}\n"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(Frontend, ExecTellsItsFramingFromItsOwnBody) {
  net::RawClient client(address());
  client.send(upgrade_request("/exec/e1/start", R"({"Detach":false,"Tty":true})"));
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 101 UPGRADED\r\n"), HasSubstr("Content-Type: application/vnd.docker.raw-stream\r\n")));
  client.send("hello\n");
  client.half_close();
  EXPECT_EQ(client.read_to_end(), "hello\n");
}

TEST_F(Frontend, ExecAnswersBeforeAnOpenBodyEnds) {
  net::RawClient client(address());
  client.send("POST /exec/e1/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string options = R"({"Detach":false,"Tty":true})";
  client.send(fmt::format("{:x}\r\n{}\r\n", options.size(), options));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  client.send("6\r\nhello\n\r\n");
  EXPECT_EQ(client.read_until("hello\n"), "hello\n");
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(Frontend, ExecInTheBackgroundIsAPlainAnswer) {
  const std::string response = post_json("/exec/e1/start", R"({"Detach":true})");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(body_of(response), "");
  EXPECT_THAT(post_json("/exec/nobody/start", "{}"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(post_json("/exec/e1/start", "{\"Tty\":"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, AnExecThatCannotStartSaysItInTheStream) {
  state().exec_failure = Error::invalid_argument("no-such-program: not found");
  net::RawClient client(address());
  client.send(upgrade_request("/exec/e1/start", "{}"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(client.read_to_end(), frame("no-such-program: not found\r\n"));
  state().exec_failure = Error::conflict("container c1 is not running");
  EXPECT_THAT(post_json("/exec/e1/start", "{}"), StartsWith("HTTP/1.1 409 "));
}

TEST_F(Frontend, AnExecNeedsACommand) {
  EXPECT_THAT(post_json("/containers/c1/exec", "{}"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("No exec command specified")));
  EXPECT_THAT(post_json("/containers/c1/exec", R"({"Cmd":["true"]})"), AllOf(StartsWith("HTTP/1.1 201 "), EndsWith("{\"Id\":\"e1\"}\n")));
}

TEST_F(Frontend, ALoadReadsTheBodyAndStreamsItsProgress) {
  state().make_source = [] {
    return std::make_unique<FakeSource>(std::deque<std::string>{"{\"stream\":\"one\"}\r\n", "{\"stream\":\"two\"}\r\n"});
  };
  const std::string archive(3UL << 20U, 'a');
  const std::string response = ask("POST", "/images/load?quiet=0", archive, "Content-Type: application/x-tar\r\n");
  EXPECT_THAT(response, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: application/json\r\n"),
                              HasSubstr("{\"stream\":\"one\"}\r\n"), HasSubstr("{\"stream\":\"two\"}\r\n")));
  EXPECT_TRUE(state().loaded.read([&](const auto& loaded) { return loaded == archive; }));
  EXPECT_TRUE(state().was_asked("load"));
  ask("POST", "/images/load", "x");
  EXPECT_TRUE(state().was_asked("load quietly"));
}

TEST_F(Frontend, ProgressThatFailsAtOnceIsAStatusAndLaterALine) {
  state().make_source = [] { return std::make_unique<FakeSource>(std::deque<std::string>{}, Error::invalid_argument("no archive")); };
  EXPECT_THAT(ask("POST", "/images/load", "x"), AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("{\"message\":\"no archive\"}\n")));
  state().make_source = [] {
    return std::make_unique<FakeSource>(std::deque<std::string>{"{\"status\":\"going\"}\r\n"}, Error::unavailable("gone"));
  };
  EXPECT_THAT(ask("POST", "/images/load", "x"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr(R"({"errorDetail":{"message":"gone"},"error":"gone"})"), EndsWith("0\r\n\r\n")));
}

TEST_F(Frontend, ASavedArchiveThatFailsIsNotTakenForAWholeOne) {
  state().make_source = [] { return std::make_unique<FakeSource>(std::deque<std::string>{"half"}, Error::unavailable("gone")); };
  EXPECT_THAT(ask("GET", "/images/team/app:1/get"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: application/x-tar"), Not(EndsWith("0\r\n\r\n"))));
}

TEST_F(Frontend, ImportTakesItsSourceFromTheQuery) {
  ask("POST", "/images/create?fromSrc=-&repo=a&tag=b", "tar");
  EXPECT_TRUE(state().was_asked("import - a:b"));
  EXPECT_THAT(ask("POST", "/images/create", "tar"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, EventsComeAsLinesInTheAskedForm) {
  api::EventMessage event{.type = api::EventMessageType("container"), .action = "start"};
  event.actor = api::EventActor{.id = "c1", .attributes = std::map<std::string, std::string>{{"image", "busybox"}}};
  state().events = {event, {.type = api::EventMessageType("image"), .action = "create"}};
  const std::string response = ask("GET", "/events");
  EXPECT_THAT(response, AllOf(HasSubstr("Content-Type: application/json\r\n"),
                              HasSubstr(R"({"status":"start","id":"c1","from":"busybox","Type":"container","Action":"start")"),
                              HasSubstr(R"("Action":"create")")));
  EXPECT_THAT(ask("GET", "/v1.45/events"), Not(HasSubstr(R"("Action":"create")")));
  EXPECT_THAT(ask("GET", "/events", {}, "Accept: application/json-seq\r\n"),
              AllOf(HasSubstr("Content-Type: application/json-seq\r\n"), HasSubstr("\x1e{\"status\"")));
  EXPECT_THAT(ask("GET", "/events?since=20&until=10"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("cannot be after")));
}

TEST_F(Frontend, AttachByWebSocketNeedsTheHandshake) {
  EXPECT_THAT(ask("GET", "/containers/c1/attach/ws?stream=1"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Frontend, AttachByWebSocketCarriesTheBytesWithoutFrames) {
  net::RawClient client(address());
  client.send(
      "GET /containers/c1/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 101 "), HasSubstr("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
  client.send(std::string("\x82\x85\0\0\0\0hello", 11));  // a binary message under a mask of zeros
  EXPECT_EQ(client.read_exactly(7), "\x82\x05hello");
}

}  // namespace
}  // namespace sockerless::frontend
