#include "backends/docker/frame_source.hpp"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/stream_frame.hpp"
#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless::docker {
namespace {

using api::StreamKind;

/// Gives `text` in reads of at most `step` bytes.
ReadSome reads_of(std::string text, std::size_t step) {
  struct State {
    std::string text;
    std::size_t at = 0;
  };
  const auto read = [](std::shared_ptr<State> state, std::size_t most, std::span<std::byte> buffer) -> Task<std::size_t> {
    const std::size_t count = std::min({most, buffer.size(), state->text.size() - state->at});
    std::copy_n(as_bytes(state->text).begin() + static_cast<std::ptrdiff_t>(state->at), count, buffer.begin());
    state->at += count;
    co_return count;
  };
  return [read, state = std::make_shared<State>(State{std::move(text)}), step](std::span<std::byte> buffer) {
    return read(state, step, buffer);
  };
}

Task<void> collect(ByteSource& source, std::vector<std::string>* pieces) {
  for (;;) {
    const auto piece = co_await source.next();
    if (piece.empty()) co_return;
    pieces->emplace_back(as_text(piece));
  }
}

std::vector<std::string> pieces_of(ReadSome read) {
  FrameSource source(std::move(read));
  std::vector<std::string> pieces;
  run(collect(source, &pieces));
  return pieces;
}

/// The payloads of both streams. Every piece must be whole frames.
std::pair<std::string, std::string> decode(const std::vector<std::string>& pieces) {
  std::pair<std::string, std::string> outputs;
  for (const std::string& piece : pieces) {
    api::FrameDecoder decoder;
    std::string_view rest = piece;
    api::FrameDecoder::Part part{};
    while (decoder.next(rest, part)) (part.kind == StreamKind::standard_error ? outputs.second : outputs.first) += part.bytes;
    decoder.finish();
  }
  return outputs;
}

std::string frames_of(const std::vector<std::pair<StreamKind, std::string>>& all) {
  std::string text;
  for (const auto& [kind, payload] : all) api::append_frame(text, kind, payload);
  return text;
}

TEST(DockerFrames, EveryPieceIsWholeFramesWhereverReadsAreCut) {
  const std::string text =
      frames_of({{StreamKind::standard_output, "one"}, {StreamKind::standard_error, ""}, {StreamKind::standard_error, "two"}});
  for (std::size_t step = 1; step <= text.size(); ++step) {
    const auto outputs = decode(pieces_of(reads_of(text, step)));
    EXPECT_EQ(outputs.first, "one") << step;
    EXPECT_EQ(outputs.second, "two") << step;
  }
}

TEST(DockerFrames, WhatIsWholeIsPassedOnAsItCame) {
  const std::string text = frames_of({{StreamKind::standard_output, "one"}, {StreamKind::standard_error, "two"}});
  EXPECT_THAT(pieces_of(reads_of(text, 1000)), testing::ElementsAre(text));
}

TEST(DockerFrames, ALargeFrameGoesOnInSeveral) {
  std::string large(3 * FrameSource::kBufferSize + 11, 'x');
  large += "end";
  const std::string text =
      frames_of({{StreamKind::standard_output, "a"}, {StreamKind::standard_error, large}, {StreamKind::standard_output, "z"}});
  for (const std::size_t step : {4096UL, FrameSource::kBufferSize, text.size()}) {
    const auto pieces = pieces_of(reads_of(text, step));
    EXPECT_GT(pieces.size(), 3U);
    const auto outputs = decode(pieces);
    EXPECT_EQ(outputs.first, "az");
    EXPECT_TRUE(outputs.second == large) << step;
  }
}

TEST(DockerFrames, AnEndInsideAFrameIsABreak) {
  const std::string text = frames_of({{StreamKind::standard_output, "whole"}, {StreamKind::standard_output, std::string(100'000, 'y')}});
  for (const std::size_t size : {1UL, 7UL, 12UL, 20UL, 50'000UL, text.size() - 1}) {
    try {
      pieces_of(reads_of(text.substr(0, size), 1000));
      ADD_FAILURE() << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
    }
  }
}

TEST(DockerFrames, WhatIsNoFrameIsRefused) {
  EXPECT_THROW(pieces_of(reads_of("HTTP/1.1 200 OK\r\n", 1000)), Error);
  EXPECT_THROW(pieces_of(reads_of(std::string("\4\0\0\0\0\0\0\1x", 9), 1000)), Error);
}

}  // namespace
}  // namespace sockerless::docker
