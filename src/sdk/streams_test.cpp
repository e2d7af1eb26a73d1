#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/stream_frame.hpp"
#include "sdk/scripted_daemon.hpp"
#include "sockerless/client.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Type = DockerErrorType;

constexpr std::string_view kFramed =
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kJson = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kUpgraded =
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

Client open_client(const ScriptedDaemon& daemon) {
  DockerConfig config;
  config.socket_path = daemon.path();
  config.timeout = 10s;
  config.retry_attempts = 0;
  config.health_check_interval = 0ms;
  config.max_message_bytes = 256UL * 1024;
  Result<Client> client = Client::open(config);
  EXPECT_TRUE(client) << client.error();
  return *std::move(client);
}

std::string frame(api::StreamKind kind, std::string_view payload) {
  std::string bytes;
  api::append_frame(bytes, kind, payload);
  return bytes;
}

std::string frames() {
  return frame(api::StreamKind::standard_output, "out") + frame(api::StreamKind::standard_error, "err") +
         frame(api::StreamKind::standard_output, "");
}

/// "1:out 2:err", then what it ended with.
template <typename Reader>
std::string drain(Reader& reader) {
  std::string text;
  for (Result<OutputChunk>& chunk : reader) {
    if (!chunk) return text + "!" + std::string(name_of(chunk.error().type));
    text += fmt::format("{}:{} ", static_cast<int>(chunk->kind), chunk->bytes);
  }
  return text + ".";
}

TEST(OutputReader, GivesWhatTheProcessWroteAndACleanEnd) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kFramed);
    for (const char byte : frames()) connection.send_chunk(std::string_view(&byte, 1));
    connection.send("0\r\n\r\n");
  });
  const Client client = open_client(daemon);
  auto logs = client.container_logs("x", {.stdout = true, .stderr = true});
  ASSERT_TRUE(logs) << logs.error();
  EXPECT_EQ(client.pool().streams, 1U);
  std::string out;
  std::string err;
  for (Result<OutputChunk>& chunk : *logs) {
    ASSERT_TRUE(chunk) << chunk.error();
    (chunk->kind == OutputKind::standard_error ? err : out) += chunk->bytes;
  }
  EXPECT_EQ(out, "out");
  EXPECT_EQ(err, "err");
  EXPECT_EQ(client.pool().streams, 0U) << "the slot is free before the reader goes";
  EXPECT_EQ(client.pool().idle, 1U) << "and so is the connection";
}

TEST(OutputReader, ATtyHasNoFrames) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.answer(200, "\x01\x00\x00raw", "Content-Type: application/vnd.docker.raw-stream\r\n");
  });
  auto logs = open_client(daemon).container_logs("x", {.stdout = true});
  ASSERT_TRUE(logs);
  EXPECT_EQ(drain(*logs), "1:\x01 .") << "a C string ends at the zero";
}

TEST(OutputReader, AnOlderDaemonIsAskedWhetherThereIsATty) {
  for (const bool tty : {true, false}) {
    ScriptedDaemon daemon(
        [&](ScriptedConnection& connection) {
          if (connection.asks("GET /v1.41/containers/x/json")) {
            return connection.answer(200, fmt::format(R"({{"Id":"x","Config":{{"Tty":{}}}}})", tty));
          }
          connection.answer(200, tty ? "plain" : frames());
        },
        "1.41");
    auto logs = open_client(daemon).container_logs("x", {.stdout = true});
    ASSERT_TRUE(logs);
    EXPECT_EQ(drain(*logs), tty ? "1:plain ." : "1:out 2:err .");
  }
}

struct BrokenStream {
  std::string name;
  std::string bytes;  // after the head, in one chunk
  std::string wanted;
};

class BrokenStreams : public testing::TestWithParam<BrokenStream> {};

TEST_P(BrokenStreams, AreErrorsAndNeverACleanEnd) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kFramed);
    connection.send_chunk(GetParam().bytes);
    if (GetParam().name != "NoLastChunk") connection.send("0\r\n\r\n");
    connection.close();
  });
  const Client client = open_client(daemon);
  ASSERT_TRUE(client.api_version());
  const std::size_t before = count_descriptors();
  {
    auto logs = client.container_logs("x", {.stdout = true});
    ASSERT_TRUE(logs) << logs.error();
    EXPECT_EQ(drain(*logs), GetParam().wanted);
  }
  EXPECT_EQ(client.pool().streams, 0U);
  daemon.wait_until_closed();
  EXPECT_LE(count_descriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(
    Streams, BrokenStreams,
    testing::Values(BrokenStream{"NoLastChunk", frame(api::StreamKind::standard_output, "a"), "1:a !connection"},
                    BrokenStream{"InAHeader", frame(api::StreamKind::standard_output, "a") + std::string("\x01\0\0", 3), "1:a !connection"},
                    BrokenStream{"InAFrame", std::string("\x01\0\0\0\0\0\0\x09half", 12), "1:half !connection"},
                    BrokenStream{"FourGigabytes", std::string("\x01\0\0\0\xff\xff\xff\xff", 8) + "some", "!connection"},
                    BrokenStream{"NoFrameAtAll", "hello world, this is text", "!connection"},
                    BrokenStream{"TheDaemonsOwnError", frames() + frame(api::StreamKind::system_error, "it died"),
                                 "1:out 2:err !server_error"}),
    [](const auto& test) { return test.param.name; });

TEST(MessageReader, GivesTypedMessagesHoweverTheyAreCut) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kJson);
    for (const std::string_view piece :
         {"{\"Type\":\"cont", "ainer\",\"Action\":\"start\"}\r\n\r\n{\"Type\":\"net", "work\"}\n", "{\"Type\":\"volume\"}"}) {
      connection.send_chunk(piece);
    }
    connection.send("0\r\n\r\n");
  });
  auto events = open_client(daemon).system_events();
  ASSERT_TRUE(events) << events.error();
  std::vector<std::string> types;
  for (Result<api::EventMessage>& event : *events) {
    ASSERT_TRUE(event) << event.error();
    types.emplace_back(event->type ? event->type->str() : "none");
  }
  EXPECT_THAT(types, testing::ElementsAre("container", "network", "volume"));
}

TEST(MessageReader, AFailureInsideTheStreamIsAnError) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kJson);
    connection.send_chunk("{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"code\":7,\"message\":\"no space\"},\"error\":\"no space\"}\n");
    connection.send("0\r\n\r\n");
  });
  const Client client = open_client(daemon);
  auto pull = client.image_create({.from_image = "x"});
  ASSERT_TRUE(pull);
  const Result<void> end = pull->finish();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error(), (DockerError{.type = Type::server_error, .code = 7, .message = "no space"}));
}

TEST(MessageReader, AMessageWithoutEndTakesBoundedMemory) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kJson);
    const std::string piece(65536, 'x');
    for (int i = 0; i < 64; ++i) connection.send_chunk(piece);
    connection.close();
  });
  auto events = open_client(daemon).system_events();
  ASSERT_TRUE(events);
  const auto event = events->next();
  ASSERT_FALSE(event);
  EXPECT_THAT(event.error().message, HasSubstr("longer than 262144 bytes"));
}

TEST(Stream, IsCancelledFromAnotherThread) {
  std::promise<void> opened;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    connection.send(kJson);
    connection.wait_for_close();
  });
  auto events = open_client(daemon).system_events();
  ASSERT_TRUE(events);
  auto waiting = std::async(std::launch::async, [&] { return events->next(); });
  events->cancel();
  const auto event = waiting.get();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().type, Type::cancelled);
  EXPECT_EQ(events->next().error().type, Type::cancelled) << "and stays so";
  daemon.wait_until_closed();
}

TEST(Stream, EndsWithItsStopTokenAndItsDeadline) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kFramed);
    connection.wait_for_close();
  });
  const Client client = open_client(daemon);
  std::stop_source stop;
  auto logs = client.container_logs("x", {}, {.stop = stop.get_token()});
  ASSERT_TRUE(logs);
  auto waiting = std::async(std::launch::async, [&] { return logs->next(); });
  stop.request_stop();
  EXPECT_EQ(waiting.get().error().type, Type::cancelled);
  EXPECT_EQ(client.pool().streams, 0U) << "its connection is free";
  auto timed = client.container_logs("x", {}, {.timeout = 50ms});
  ASSERT_TRUE(timed);
  EXPECT_EQ(timed->next().error().type, Type::timeout);
  auto later = client.container_logs("x");
  ASSERT_TRUE(later);
  later->set_deadline(std::chrono::steady_clock::now() + 20ms);
  EXPECT_EQ(later->next().error().type, Type::timeout);
}

TEST(ByteReader, GivesTheBytesAndTheHead) {
  const std::string content(300000, 'a');
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    if (connection.asks("GET /v1.44/containers/gone")) return connection.answer(404, R"({"message":"No such container: gone"})");
    connection.answer(200, content, "X-Docker-Container-Path-Stat: e30=\r\n");
  });
  const Client client = open_client(daemon);
  auto archive = client.container_archive("x", {.path = "/etc"});
  ASSERT_TRUE(archive) << archive.error();
  EXPECT_EQ(archive->header("X-Docker-Container-Path-Stat"), "e30=");
  const Result<std::string> all = archive->read_all();
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, content);
  auto again = client.container_archive("x", {.path = "/etc"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->read_all(1000).error().type, Type::unknown);
  EXPECT_EQ(client.container_export("gone").error().type, Type::not_found);
}

// --- uploads ---------------------------------------------------------------------------------------------------------------------------

TEST(Upload, SendsABodyWhileItsAnswerIsRead) {
  std::string received;
  ScriptedDaemon daemon([&](ScriptedConnection& connection) {
    // More progress than the socket holds, before any of the body is read: a client that did not read meanwhile would never end.
    connection.send(kJson);
    const std::string line = R"({"stream":")" + std::string(1000, '.') + "\"}\n";
    for (int i = 0; i < 2000; ++i) connection.send_chunk(line);
    while (!received.ends_with("0\r\n\r\n")) received += connection.receive();
    connection.send("0\r\n\r\n");
  });
  const Client client = open_client(daemon);
  auto load = client.image_load({}, body_of(std::string(4UL * 1024 * 1024, 'b')));
  ASSERT_TRUE(load) << load.error();
  int messages = 0;
  for (Result<api::BuildInfo>& message : *load) {
    ASSERT_TRUE(message) << message.error();
    ++messages;
  }
  EXPECT_EQ(messages, 2000);
  EXPECT_EQ(std::ranges::count(received, 'b') >= 4L * 1024 * 1024, true);
}

TEST(Upload, ARefusalThatComesEarlyIsHeard) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.answer(404, R"({"message":"No such container: x"})");
    connection.close();
  });
  const Client client = open_client(daemon);
  const Result<void> put = client.put_container_archive("x", {.path = "/"}, body_of(std::string(8UL * 1024 * 1024, 'b')));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().type, Type::not_found) << put.error();
}

TEST(Upload, AFailureOfItsSourceIsTheCallsFailure) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.wait_for_close(); });
  const Client client = open_client(daemon);
  const BodySource fails = [](std::span<std::byte>) -> Result<std::size_t> { return DockerError{.message = "the disk is gone"}; };
  const Result<void> put = client.put_container_archive("x", {.path = "/"}, fails);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().message, "the disk is gone");
  const BodySource throws = [](std::span<std::byte>) -> Result<std::size_t> { throw std::runtime_error("thrown"); };
  EXPECT_EQ(client.put_container_archive("x", {.path = "/"}, throws).error().message, "thrown");
  EXPECT_EQ(body_of_file("/nonexistent/file").error().type, Type::unknown);
  daemon.wait_until_closed();
}

// --- both ways -------------------------------------------------------------------------------------------------------------------------

/// Sends back in frames what it gets, until end-of-file.
void echo(ScriptedConnection& connection) {
  connection.send(kUpgraded);
  if (connection.asks("POST /v1.44/exec/")) connection.receive();  // the JSON
  for (std::string bytes = connection.receive(); !bytes.empty(); bytes = connection.receive()) {
    connection.send(frame(api::StreamKind::standard_output, bytes));
  }
  connection.send(frame(api::StreamKind::standard_error, "bye"));
  connection.close();
}

TEST(DuplexStream, WritesReadsAndHalfCloses) {
  ScriptedDaemon daemon(echo);
  const Client client = open_client(daemon);
  auto attached = client.container_attach("x", {.stream = true, .stdin = true, .stdout = true});
  ASSERT_TRUE(attached) << attached.error();
  ASSERT_TRUE(attached->write("hello"));
  const auto chunk = attached->next();
  ASSERT_TRUE(chunk && *chunk) << "no answer";
  EXPECT_EQ((*chunk)->bytes, "hello");
  ASSERT_TRUE(attached->close_write());
  EXPECT_EQ(drain(*attached), "2:bye .");
  EXPECT_FALSE(attached->write("more"));
  EXPECT_EQ(client.pool().streams, 0U);
}

TEST(DuplexStream, OneThreadReadsWhileAnotherWrites) {
  ScriptedDaemon daemon(echo);
  auto exec = open_client(daemon).exec_start("e", {});
  ASSERT_TRUE(exec) << exec.error();
  constexpr std::size_t kSize = 4UL * 1024 * 1024;
  auto reading = std::async(std::launch::async, [&] {
    std::size_t count = 0;
    for (Result<OutputChunk>& chunk : *exec) {
      if (!chunk) return std::size_t{0};
      if (chunk->kind == OutputKind::standard_output) count += chunk->bytes.size();
    }
    return count;
  });
  const std::string piece(64UL * 1024, 'x');
  for (std::size_t sent = 0; sent < kSize; sent += piece.size()) ASSERT_TRUE(exec->write(piece));
  ASSERT_TRUE(exec->close_write());
  EXPECT_EQ(reading.get(), kSize);
}

TEST(DuplexStream, ADaemonThatDiesInAFrameIsAnError) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kUpgraded);
    connection.send(std::string_view("\x01\0\0\0\0\0\0\x09half", 12));
    connection.close();
  });
  auto exec = open_client(daemon).exec_start("e", {});
  ASSERT_TRUE(exec) << exec.error();
  EXPECT_EQ(drain(*exec), "1:half !connection");
}

TEST(DuplexStream, AFrameOfFourGigabytesIsRefusedBeforeItIsRead) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kUpgraded);
    connection.send(std::string_view("\x01\0\0\0\xff\xff\xff\xff", 8));
    connection.send(std::string(128UL * 1024, 'x'));
    connection.wait_for_close();
  });
  {
    auto attached = open_client(daemon).container_attach("x", {.stream = true, .stdout = true});
    ASSERT_TRUE(attached) << attached.error();
    EXPECT_EQ(drain(*attached), "!connection");
  }
  daemon.wait_until_closed();
}

TEST(DuplexStream, IsCancelledWhileItWaits) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    connection.send(kUpgraded);
    connection.wait_for_close();
  });
  {
    std::stop_source stop;
    auto exec = open_client(daemon).exec_start("e", {}, {.stop = stop.get_token()});
    ASSERT_TRUE(exec) << exec.error();
    auto waiting = std::async(std::launch::async, [&] { return exec->next(); });
    stop.request_stop();
    EXPECT_EQ(waiting.get().error().type, Type::cancelled);
  }
  daemon.wait_until_closed();  // with the stream goes the last of its client, and the idle connection
}

TEST(DuplexStream, ARefusalIsTheDaemonsError) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(409, R"({"message":"Container x is not running"})"); });
  const auto exec = open_client(daemon).exec_start("e", {});
  ASSERT_FALSE(exec);
  EXPECT_EQ(exec.error().type, Type::conflict);
  EXPECT_EQ(exec.error().message, "Container x is not running");
}

Client client_that_waits(const ScriptedDaemon& daemon, std::chrono::milliseconds answer_timeout) {
  DockerConfig config;
  config.socket_path = daemon.path();
  config.answer_timeout = answer_timeout;
  config.health_check_interval = 0ms;
  return *Client::open(config);
}

TEST(Streams, AnUploadThatStandsStillEnds) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.wait_for_close(); });  // takes what comes, never answers
  std::promise<void> done;
  ScriptedDaemon frozen([waits = done.get_future().share()](ScriptedConnection& connection) {
    waits.wait();  // not even read
    connection.close();
  });
  for (ScriptedDaemon* which : {&daemon, &frozen}) {
    const Client client = client_that_waits(*which, 30ms);
    std::size_t first = 0;
    for (int i = 0; i < 5; ++i) {
      {
        auto load = client.image_load({}, body_of(std::string(16UL * 1024 * 1024, 'x')));
        const Result<void> end = load ? load->finish() : Result<void>(load.error());
        ASSERT_FALSE(end);
        EXPECT_EQ(end.error().type, DockerErrorType::timeout) << end.error();
      }
      EXPECT_EQ(client.pool().streams, 0U);
      const std::size_t ours = count_descriptors() - static_cast<std::size_t>(which->open_connections());
      if (i == 0) first = ours;
      EXPECT_LE(ours, first + 1) << "the daemon's thread may be about to close its end";
    }
  }
  done.set_value();
}

TEST(Streams, AnUploadWhoseSourceIsSlowDoesNotStandStill) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) {
    while (connection.receive().find("0\r\n\r\n") == std::string::npos) {}
    connection.answer(200, "{}");
  });
  int left = 3;
  auto load = client_that_waits(daemon, 40ms).image_load({}, [&](std::span<std::byte> buffer) -> Result<std::size_t> {
    std::this_thread::sleep_for(60ms);  // the source's own slowness is what is tested
    buffer[0] = std::byte{1};
    return left-- > 0 ? std::size_t{1} : std::size_t{0};
  });
  const Result<void> end = load ? load->finish() : Result<void>(load.error());
  EXPECT_TRUE(end) << end.error();
}

}  // namespace
}  // namespace sockerless
