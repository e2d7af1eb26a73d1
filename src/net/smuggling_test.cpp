#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/test_support.hpp"

// Requests that some HTTP parser reads differently from another. Each is one 400 and the end of the connection: what follows it on the
// connection must never be taken for a request.
namespace sockerless::net {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct BadRequest {
  const char* name;
  std::string bytes;
};

void PrintTo(const BadRequest& request, std::ostream* out) { *out << request.name; }

constexpr std::string_view kSecond = "GET /second HTTP/1.1\r\nHost: h\r\n\r\n";

Task<void> answer(Exchange& exchange) {
  if (exchange.request().path == "/read") {
    co_await exchange.respond(200, {}, co_await exchange.read_body(10000));
  } else {
    co_await exchange.respond(200, {}, exchange.request().path);
  }
}

class Smuggling : public testing::TestWithParam<BadRequest> {};

TEST_P(Smuggling, IsRefusedAndTheConnectionIsClosed) {
  TestServer server(answer);
  for (const Address& address : {server.unix_address(), server.tcp_address()}) {
    const std::string reply = talk(address, GetParam().bytes + std::string(kSecond));
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(reply, HasSubstr("{\"message\":"));
    EXPECT_EQ(reply.find("HTTP/1.1", 1), std::string::npos) << "a second answer: " << reply;
  }
}

std::string post(std::string_view fields, std::string_view body) {
  return "POST /read HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

INSTANTIATE_TEST_SUITE_P(
    All, Smuggling,
    testing::Values(BadRequest{"CodingAfterChunked", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")},
                    BadRequest{"CodingBeforeChunked", post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n")},
                    BadRequest{"Gzip", post("Transfer-Encoding: gzip\r\n", "abc")},
                    BadRequest{"GzipChunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
                    BadRequest{"Identity", post("Transfer-Encoding: identity\r\n", "")},
                    BadRequest{"ChunkedTwiceInOneField", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
                    BadRequest{"ChunkedTwice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
                    BadRequest{"ChunkedWithParameter", post("Transfer-Encoding: chunked;x\r\n", "0\r\n\r\n")},
                    BadRequest{"EmptyCoding", post("Transfer-Encoding:\r\n", "0\r\n\r\n")},
                    BadRequest{"QuotedChunked", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
                    BadRequest{"VerticalTabBeforeChunked", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n")},
                    BadRequest{"ChunkedInHttp10",
                               "POST /read HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
                    BadRequest{"LengthThenChunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
                    BadRequest{"ChunkedThenLength", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")}));

INSTANTIATE_TEST_SUITE_P(Length, Smuggling,
                         testing::Values(BadRequest{"TwoLengths", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc")},
                                         BadRequest{"TheSameLengthTwice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")},
                                         BadRequest{"ListOfLengths", post("Content-Length: 3, 3\r\n", "abc")},
                                         BadRequest{"PlusLength", post("Content-Length: +3\r\n", "abc")},
                                         BadRequest{"MinusLength", post("Content-Length: -3\r\n", "abc")},
                                         BadRequest{"HexadecimalLength", post("Content-Length: 0x3\r\n", "abc")},
                                         BadRequest{"EmptyLength", post("Content-Length:\r\n", "abc")},
                                         BadRequest{"LengthWithTail", post("Content-Length: 3 a\r\n", "abc")},
                                         BadRequest{"LengthBeyond63Bits", post("Content-Length: 9223372036854775808\r\n", "abc")},
                                         BadRequest{"LengthBeyond64Bits", post("Content-Length: 18446744073709551619\r\n", "abc")}));

INSTANTIATE_TEST_SUITE_P(
    Chunks, Smuggling,
    testing::Values(BadRequest{"ChunkSizeNotHexadecimal", post("Transfer-Encoding: chunked\r\n", "x\r\n\r\n")},
                    BadRequest{"ChunkSizeWithPrefix", post("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"NegativeChunkSize", post("Transfer-Encoding: chunked\r\n", "-3\r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"HugeChunkSize", post("Transfer-Encoding: chunked\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"SpaceBeforeChunkSize", post("Transfer-Encoding: chunked\r\n", " 3\r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"SpaceAfterChunkSize", post("Transfer-Encoding: chunked\r\n", "3 \r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"ChunkLineWithBareLf", post("Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n")},
                    BadRequest{"ChunkLongerThanItsSize", post("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n")},
                    BadRequest{"ChunkExtensionWithBareCr", post("Transfer-Encoding: chunked\r\n", "3;a\rb\r\nabc\r\n0\r\n\r\n")},
                    BadRequest{"Trailer", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n")},
                    BadRequest{"TrailerOfAnUnreadBody",
                               "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: other\r\n\r\n"},
                    BadRequest{"BadChunkOfAnUnreadBody", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"}));

INSTANTIATE_TEST_SUITE_P(
    Header, Smuggling,
    testing::Values(
        BadRequest{"FoldedField", post("X: a\r\n b\r\n", "")}, BadRequest{"FoldedFirstField", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
        BadRequest{"FoldedCoding", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")},
        BadRequest{"SpaceBeforeColon", post("Content-Length : 3\r\n", "abc")},
        BadRequest{"TabBeforeColon", post("Content-Length\t: 3\r\n", "abc")}, BadRequest{"NoColon", post("Content-Length 3\r\n", "abc")},
        BadRequest{"NoName", post(": 3\r\n", "")}, BadRequest{"BareLfBetweenFields", post("X: a\nContent-Length: 3\r\n", "abc")},
        BadRequest{"BareLfAtTheEnd", "GET / HTTP/1.1\r\nHost: h\r\n\n"}, BadRequest{"BareLfEverywhere", "GET / HTTP/1.1\nHost: h\n\n"},
        BadRequest{"BareCrInAField", post("X: a\rContent-Length: 3\r\n", "abc")}, BadRequest{"TwoCr", post("X: a\r\r\n", "")},
        BadRequest{"NulInAValue", post(std::string_view("X: a\0b\r\n", 8), "")},
        BadRequest{"NulInAName", post(std::string_view("X\0Y: a\r\n", 8), "")}, BadRequest{"ControlInAValue", post("X: a\x01\r\n", "")},
        BadRequest{"NonTokenName", post("X(Y): a\r\n", "")}, BadRequest{"NonAsciiName", post("X\xc3\xa4: a\r\n", "")},
        BadRequest{"NoHost", "GET / HTTP/1.1\r\nX: y\r\n\r\n"}, BadRequest{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        BadRequest{"TheSameHostTwice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"}));

TEST(SmugglingCounterpart, TheSameRequestsInProperFormAreServed) {
  TestServer server(answer);
  RawClient client(server.tcp_address());
  client.send(post("Content-Length: 3\r\n", "abc") + post("Transfer-Encoding: CHUNKED\r\n", "3;x=y\r\nabc\r\n0\r\n\r\n") + "\r\n" +
              std::string(kSecond));
  EXPECT_THAT(client.read_response(), testing::EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(client.read_response(), testing::EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(client.read_response(), testing::EndsWith("\r\n\r\n/second"));
}

TEST(SmugglingCounterpart, TrailersDoNotReachTheHeader) {
  TestServer server(answer);
  EXPECT_THAT(talk(server.tcp_address(), post("Transfer-Encoding: chunked\r\n", "0\r\nX-User: root\r\n\r\n")), Not(HasSubstr("root")));
}

}  // namespace
}  // namespace sockerless::net
