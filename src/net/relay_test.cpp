#include <condition_variable>
#include <deque>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/guarded.hpp"
#include "net/client.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// What the watch is told to say and has seen.
struct Notes {
  RelayWatch::End end = {};
  std::string raw = {};
  int answers = 0;
  int heads = 0;
};

class NotingWatch final : public RelayWatch {
 public:
  explicit NotingWatch(Guarded<Notes>& notes) : notes_(notes) {}
  void on_answer() override {
    notes_.write([](Notes& notes) { ++notes.answers; });
  }
  void on_head(const ResponseHead& /*head*/) override {
    notes_.write([](Notes& notes) { ++notes.heads; });
  }
  void on_raw(std::string_view bytes) override {
    notes_.write([bytes](Notes& notes) { notes.raw += bytes; });
  }
  Task<End> on_raw_end() override {
    co_return notes_.read([](const Notes& notes) { return notes.end; });
  }

 private:
  Guarded<Notes>& notes_;
};

/// A server that relays everything to another one, which is the test itself: each connection that is dialled arrives at far_end().
class Relay : public testing::Test {
 protected:
  RawClient far_end() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 10s, [&] { return !far_ends_.empty(); })) throw Error::unavailable("nothing was dialled");
    RawClient end(std::move(far_ends_.front()));
    far_ends_.pop_front();
    return end;
  }

  /// How far the next request came that ended.
  RelayProgress ended() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 10s, [&] { return !ended_.empty(); })) throw Error::unavailable("no request ended");
    const RelayProgress progress = ended_.front();
    ended_.pop_front();
    return progress;
  }

  int dial_count() {
    const std::scoped_lock lock(mutex_);
    return dials_;
  }

  RawClient client() { return RawClient(server_.unix_address()); }
  RawClient tcp_client() { return RawClient(server_.tcp_address()); }

  Notes seen() const {
    return notes_.read([](const Notes& notes) { return notes; });
  }
  /// Forgets what was seen, and says how the next streams end.
  void begin_notes(RelayWatch::End end = {}) {
    notes_.write([&end](Notes& notes) { notes = {.end = std::move(end)}; });
  }

 private:
  Task<UniqueFd> dial() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw from_errno(errno, "socketpair");
    const std::scoped_lock lock(mutex_);
    far_ends_.emplace_back(ends[1]);
    ++dials_;
    changed_.notify_one();
    co_return UniqueFd(ends[0]);
  }

  Task<void> relay(Exchange& exchange) {
    RawConnection connection = co_await http_.connect_raw(Reuse::yes, Deadline::in(10s));
    NotingWatch watch(notes_);
    RelayProgress progress;
    std::exception_ptr failure;
    try {
      co_await exchange.relay(connection, watch, progress);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::scoped_lock lock(mutex_);
      ended_.push_back(progress);
    }
    changed_.notify_one();
    if (failure) std::rethrow_exception(failure);
  }

  Guarded<Notes> notes_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<UniqueFd> far_ends_;
  std::deque<RelayProgress> ended_;
  int dials_ = 0;
  HttpClient http_{Address::unix_socket("/unused"), {.dial = [this] { return dial(); }}};
  TestServer server_{[this](Exchange& exchange) { return relay(exchange); }, {.server = {.constant_headers = {{"Server", "never seen"}}}}};
};

constexpr std::string_view kGet = "GET /v1.41/x?all=1&b=%2F HTTP/1.1\r\nHost: d\r\nX-Odd-cASE: a  b\r\nx-odd-case: 2\r\n\r\n";

TEST_F(Relay, BothHeadsPassAsTheyAre) {
  RawClient client = this->client();
  client.send(kGet);
  RawClient server = far_end();
  EXPECT_EQ(server.read_until("\r\n\r\n"), kGet);
  const std::string answer = "HTTP/1.1 404 nOT fOUND\r\nzeta: 1\r\nAlpha:2\r\nzeta:   3 \r\ncontent-length: 5\r\n\r\nhello";
  server.send(answer);
  EXPECT_EQ(client.read_exactly(answer.size()), answer);
  EXPECT_EQ(seen().answers, 1);
  EXPECT_EQ(seen().heads, 1);
}

TEST_F(Relay, ManyRequestsOfOneClientShareOneConnection) {
  RawClient client = this->client();
  client.send(kGet);
  RawClient server = far_end();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(server.read_until("\r\n\r\n"), kGet);
    server.send("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    if (i < 49) client.send(kGet);
  }
  EXPECT_EQ(dial_count(), 1);
}

TEST_F(Relay, ChunksPassWithTheirExtensionsAndTrailers) {
  RawClient client = this->client();
  client.send(kGet);
  RawClient server = far_end();
  server.read_until("\r\n\r\n");
  const std::string body = "3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), EndsWith("chunked\r\n\r\n"));
  for (const char c : body) server.send(std::string(1, c));
  EXPECT_EQ(client.read_exactly(body.size()), body);
  client.send(kGet);
  EXPECT_EQ(server.read_until("\r\n\r\n"), kGet) << "the end of the body was found";
}

TEST_F(Relay, AnAnswerToHeadHasNoBody) {
  RawClient client = this->client();
  for (int i = 0; i < 2; ++i) client.send("HEAD /x HTTP/1.1\r\nHost: d\r\n\r\n");  // the second one waits its turn
  RawClient server = far_end();
  for (int i = 0; i < 2; ++i) {
    server.read_until("\r\n\r\n");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  }
}

TEST_F(Relay, BodiesPassWithTheirFraming) {
  for (const std::string& body : {std::string("4\r\nwxyz\r\n1;e\r\n!\r\n0\r\n\r\n"), std::string(3UL * 1024 * 1024, 'b')}) {
    RawClient client = this->client();
    const std::string framing = body.size() < 100 ? "Transfer-Encoding: chunked" : "Content-Length: " + std::to_string(body.size());
    client.send("PUT /x HTTP/1.1\r\nHost: d\r\n" + framing + "\r\n\r\n");
    std::jthread sending([&] { client.send(body); });
    RawClient server = far_end();
    EXPECT_THAT(server.read_until("\r\n\r\n"), HasSubstr(framing));
    EXPECT_EQ(server.read_exactly(body.size()), body);
    sending.join();
    server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 200 OK\r\nConnection: close")) << "and the connection ends, as it says";
    EXPECT_TRUE(ended().body_taken);
  }
}

TEST_F(Relay, LargeAnswersPassWhole) {
  RawClient client = this->client();
  client.send(kGet);
  RawClient server = far_end();
  server.read_until("\r\n\r\n");
  std::string body;
  for (int i = 0; i < 400; ++i) body += "4e20\r\n" + std::string(20000, static_cast<char>('a' + (i % 26))) + "\r\n";
  body += "0\r\n\r\n";
  std::jthread sending([&] { server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body); });
  client.read_until("\r\n\r\n");
  EXPECT_TRUE(client.read_exactly(body.size()) == body);
}

TEST_F(Relay, TheServerSaysContinueItself) {
  RawClient client = this->client();
  client.send("POST /x HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  RawClient server = far_end();
  EXPECT_THAT(server.read_until("\r\n\r\n"), HasSubstr("Expect: 100-continue"));
  server.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_EQ(server.read_exactly(3), "abc");
  server.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.read_response(), "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(Relay, AnUpgradedConnectionGoesBothWaysWithHalfClose) {
  const std::string request =
      "POST /attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early ";
  for (const std::string head : {"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"}) {
    for (const bool client_first : {true, false}) {
      begin_notes();
      RawClient client = this->client();
      client.send(request);
      RawClient server = far_end();
      EXPECT_THAT(server.read_until("\r\n\r\n"), StartsWith("POST /attach"));
      EXPECT_EQ(server.read_exactly(2), "{}");
      server.send(head + "first ");
      EXPECT_EQ(client.read_exactly(head.size() + 6), head + "first ");
      client.send("words");
      if (client_first) {
        client.half_close();
        EXPECT_EQ(server.read_to_end(), "early words");
        server.send("answer");
        server.close();
        EXPECT_EQ(client.read_to_end(), "answer");
        EXPECT_EQ(seen().raw, "first answer");
      } else {
        server.send("answer");
        server.half_close();
        EXPECT_EQ(client.read_to_end(), "answer");
        client.send(" and more");
        client.half_close();
        EXPECT_EQ(server.read_to_end(), "early words and more");
      }
    }
  }
}

TEST_F(Relay, BytesBehindARequestAreNotPassedOnBeforeTheAnswer) {
  RawClient client = this->client();
  client.send("GET /one HTTP/1.1\r\nHost: d\r\n\r\nGET /two HTTP/1.1\r\nHost: d\r\n\r\n");
  RawClient server = far_end();
  EXPECT_THAT(server.read_until("\r\n\r\n"), StartsWith("GET /one"));
  // Closing by length, not by the connection: an answer that ends otherwise hands nothing over.
  server.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe end");
  server.half_close();
  EXPECT_EQ(client.read_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe end");
  EXPECT_EQ(server.read_to_end(), "");
}

TEST_F(Relay, WhatTheParserRefusesIsNotPassedOn) {
  RawClient smuggler = client();
  smuggler.send("POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_THAT(smuggler.read_to_end(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(dial_count(), 0);
  RawClient client = this->client();
  client.send("POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  RawClient server = far_end();
  server.read_until("abc\r\n");
  client.send("-1\r\nGET /smuggled HTTP/1.1\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(server.read_to_end(), "");
}

TEST_F(Relay, AClientThatGoesTakesTheServersConnectionAlong) {
  RawClient client = this->client();
  client.send(kGet);
  RawClient server = far_end();
  server.read_until("\r\n\r\n");
  client.close();  // before the answer
  EXPECT_EQ(server.read_to_end(), "");
  RawClient second = this->client();
  second.send(kGet);
  RawClient other = far_end();
  other.read_until("\r\n\r\n");
  other.send("HTTP/1.1 101 UPGRADED\r\n\r\n");
  second.read_until("\r\n\r\n");
  second.close();  // of a stream
  EXPECT_EQ(other.read_to_end(), "");
}

TEST_F(Relay, AnAnswerThatBreaksOffDoesNotLookWhole) {
  for (const std::string answer :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"}) {
    RawClient client = tcp_client();
    client.send(kGet);
    RawClient server = far_end();
    server.read_until("\r\n\r\n");
    server.send(answer);
    client.read_until("abc");
    server.close();
    client.read_to_end();
    EXPECT_TRUE(client.was_reset()) << answer;
  }
}

TEST_F(Relay, AStreamThatBreaksOffEndsAsTheWatchSays) {
  begin_notes({.is_clean = false, .last_words = {}});
  RawClient client = tcp_client();
  client.send(kGet);
  RawClient server = far_end();
  server.read_until("\r\n\r\n");
  server.send("HTTP/1.1 101 UPGRADED\r\n\r\n");
  client.read_until("\r\n\r\n");
  server.close();
  client.read_to_end();
  EXPECT_TRUE(client.was_reset());

  begin_notes({.is_clean = false, .last_words = "it broke"});
  RawClient second = tcp_client();
  second.send(kGet);
  RawClient other = far_end();
  other.read_until("\r\n\r\n");
  other.send("HTTP/1.1 101 UPGRADED\r\n\r\n");
  other.close();
  EXPECT_EQ(second.read_to_end(), "HTTP/1.1 101 UPGRADED\r\n\r\nit broke");
}

TEST_F(Relay, AServerThatSaysNothingOrNonsenseIs503) {
  for (const std::string answer : {"", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"}) {
    RawClient client = this->client();
    client.send(kGet);
    RawClient server = far_end();
    server.read_until("\r\n\r\n");
    server.send(answer);
    server.half_close();
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 503 ")) << answer;
    EXPECT_EQ(seen().answers, answer.empty() ? 0 : 1);
    begin_notes();
  }
}

}  // namespace
}  // namespace sockerless::net
