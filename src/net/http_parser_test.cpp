#include "net/http_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sockerless::net {
namespace {

constexpr HeadLimits kLimits{.bytes = 1024, .fields = 10};

struct Parsed {
  Refusal refusal;
  RequestHead request;
  Framing framing;
};

Parsed parse(std::string_view text) {
  Parsed parsed;
  HeadScanner scanner;
  const auto length = scanner.scan(text, kLimits, parsed.refusal);
  if (length)
    parsed.refusal = parse_request_head(text.substr(0, *length), kLimits, parsed.request, parsed.framing);
  else if (!parsed.refusal)
    parsed.refusal = {-1, "incomplete"};
  return parsed;
}

TEST(RequestHead, ATargetIsSplitAndFieldsAreTrimmed) {
  const Parsed parsed = parse("POST /v1.44/x?a=b?c HTTP/1.1\r\nHost: h\r\nX-A: \t v w \t\r\nX-Empty:\r\nContent-Length: 12\r\n\r\n");
  ASSERT_EQ(parsed.refusal.status, 0) << parsed.refusal.text;
  EXPECT_EQ(parsed.request.method, Method::post);
  EXPECT_EQ(parsed.request.path, "/v1.44/x");
  EXPECT_EQ(parsed.request.query, "a=b?c");
  EXPECT_EQ(parsed.request.headers.find("x-a"), "v w");
  EXPECT_EQ(parsed.request.headers.find("x-empty"), "");
  EXPECT_EQ(parsed.framing.body, BodyKind::length);
  EXPECT_EQ(parsed.framing.length, 12U);
}

TEST(RequestHead, AnAbsoluteTargetLosesItsHost) {
  const Parsed parsed = parse("GET http://docker/v1/x?q HTTP/1.1\r\nHost: docker\r\n\r\n");
  EXPECT_EQ(parsed.request.path, "/v1/x");
  EXPECT_EQ(parsed.request.query, "q");
  EXPECT_EQ(parse("GET http://docker HTTP/1.1\r\nHost: docker\r\n\r\n").request.path, "/");
  EXPECT_EQ(parse("GET http:///x HTTP/1.1\r\nHost: docker\r\n\r\n").refusal.status, 400);
}

TEST(RequestHead, ConnectionsAreKeptByVersionAndByWord) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n").framing.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n").framing.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").framing.keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").framing.keep_alive);
}

TEST(RequestHead, AnOldRequestIsForgottenByTheNext) {
  RequestHead request;
  Framing framing;
  ASSERT_FALSE(
      parse_request_head("POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n", kLimits, request, framing));
  EXPECT_EQ(framing.body, BodyKind::chunked);
  ASSERT_FALSE(parse_request_head("GET /c HTTP/1.1\r\nHost: h\r\n\r\n", kLimits, request, framing));
  EXPECT_EQ(framing.body, BodyKind::none);
  EXPECT_EQ(request.query, "");
  EXPECT_FALSE(request.headers.contains("X"));
}

TEST(RequestHead, WhatIsNotARequestLineIsRefused) {
  for (const std::string_view line :
       {"GET  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /", "G\"T / HTTP/1.1", "GET / a HTTP/1.1", "GET /#f HTTP/1.1",
        "GET x HTTP/1.1", "GET * HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\x7f HTTP/1.1", "GET / http/1.1"}) {
    EXPECT_EQ(parse(std::string(line) + "\r\nHost: h\r\n\r\n").refusal.status, 400) << line;
  }
  EXPECT_EQ(parse("GET / HTTP/2.0\r\nHost: h\r\n\r\n").refusal.status, 505);
  EXPECT_EQ(parse("GET / HTTP/1.2\r\nHost: h\r\n\r\n").refusal.status, 505);
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").refusal.status, 0);
}

TEST(RequestHead, AHeadThatIsTooLargeIs431) {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(parse(start + "X: " + std::string(2000, 'a')).refusal.status, 431);
  EXPECT_EQ(parse(start + "X: " + std::string(2000, 'a') + "\r\n\r\n").refusal.status, 431);
  std::string many = start;
  for (int i = 0; i < 20; ++i) many += "A: b\r\n";
  EXPECT_EQ(parse(many + "\r\n").refusal.status, 431);
  EXPECT_EQ(parse(start + "Expect: a-miracle\r\n\r\n").refusal.status, 417);
}

TEST(RequestHead, TheEndIsFoundWhereverTheBytesAreCut) {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
  HeadScanner scanner;
  Refusal refusal;
  for (std::size_t size = 1; size < text.size() - 4; ++size) ASSERT_FALSE(scanner.scan(text.substr(0, size), kLimits, refusal)) << size;
  EXPECT_EQ(scanner.scan(text, kLimits, refusal), text.size() - 4);
  EXPECT_FALSE(refusal);
}

TEST(ResponseHead, FramingFollowsStatusAndMethod) {
  ResponseHead response;
  Framing framing;
  ASSERT_FALSE(parse_response_head("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", kLimits, Method::get, response, framing));
  EXPECT_EQ(framing.body, BodyKind::none);
  ASSERT_FALSE(parse_response_head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", kLimits, Method::head, response, framing));
  EXPECT_EQ(framing.body, BodyKind::none);
  ASSERT_FALSE(parse_response_head("HTTP/1.1 200\r\n\r\n", kLimits, Method::get, response, framing));
  EXPECT_EQ(framing.body, BodyKind::until_close);
  EXPECT_EQ(response.reason, "");
  EXPECT_TRUE(parse_response_head("HTTP/1.1 2x0 OK\r\n\r\n", kLimits, Method::get, response, framing));
  EXPECT_TRUE(
      parse_response_head("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", kLimits, Method::get, response, framing));
}

struct Decoded {
  std::string payload;
  std::string rest;
  bool done = false;
  Refusal refusal;
};

/// Feeds the text in pieces of `step` bytes, as a connection would.
Decoded decode(std::string_view text, std::size_t step, ChunkDecoder::Trailers trailers = ChunkDecoder::Trailers::refuse) {
  ChunkDecoder decoder(trailers);
  Decoded result;
  std::string buffer;
  for (;;) {
    std::string_view input = buffer;
    const std::size_t count = decoder.advance(input, result.refusal);
    result.payload.append(input.substr(0, count));
    decoder.take(count);
    buffer = std::string(input.substr(count));
    if (result.refusal || decoder.done() || (count == 0 && text.empty())) break;
    if (count > 0) continue;
    buffer.append(text.substr(0, step));
    text.remove_prefix(std::min(step, text.size()));
  }
  result.done = decoder.done();
  result.rest = buffer + std::string(text);
  return result;
}

TEST(ChunkDecoder, ChunksAreJoinedWhereverTheBytesAreCut) {
  for (std::size_t step = 1; step < 40; ++step) {
    const Decoded decoded = decode("5\r\nhello\r\n6;ext=\"v\"\r\n world\r\n00\r\n\r\nGET", step);
    EXPECT_TRUE(decoded.done) << step;
    EXPECT_EQ(decoded.payload, "hello world") << step;
    EXPECT_EQ(decoded.rest, "GET") << step;
  }
}

TEST(ChunkDecoder, WhatIsNoChunkIsRefused) {
  for (const std::string_view text : {"\r\n", "x\r\n", "-1\r\n", "+1\r\na\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\n",
                                      "1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "10000000000000000\r\n", "ffffffffffffffff\r\n",
                                      "1;\x01\r\na\r\n", "1;a\rb\r\na\r\n", "0\r\nTrailer: x\r\n\r\n"}) {
    for (const std::size_t step : {1UL, 100UL}) EXPECT_EQ(decode(text, step).refusal.status, 400) << text << " in steps of " << step;
  }
  EXPECT_EQ(decode("1;" + std::string(1000, 'a'), 100).refusal.status, 400);
}

TEST(ChunkDecoder, AClientDropsTrailersUpToALimit) {
  const Decoded decoded = decode("1\r\na\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\nrest", 100, ChunkDecoder::Trailers::drop);
  EXPECT_TRUE(decoded.done);
  EXPECT_EQ(decoded.payload, "a");
  EXPECT_EQ(decoded.rest, "rest");
  std::string many = "0\r\n";
  for (int i = 0; i < 1000; ++i) many += "X: 0123456789\r\n";
  EXPECT_NE(decode(many, 1000, ChunkDecoder::Trailers::drop).refusal.status, 0);
}

TEST(AppendField, AValueCannotEndItsField) {
  std::string out;
  append_field(out, "X", std::string_view("a\r\nSet: b\0c", 11));
  EXPECT_EQ(out, "X: a  Set: b c\r\n");
}

}  // namespace
}  // namespace sockerless::net
