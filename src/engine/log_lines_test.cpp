#include "engine/log_lines.hpp"

#include <gtest/gtest.h>

#include "base/byte_stream.hpp"
#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using fakes::frame;

constexpr TimePoint kStart{1'700'000'000s};

struct Piece {
  StdStream stream;
  std::string text;
  Duration after{};
};

std::string lines_of(LineFormat format, const std::vector<Piece>& pieces) {
  LogLines lines(std::move(format));
  OutputBuffer out;
  for (const auto& piece : pieces) {
    if (!lines.add({piece.stream, kStart + piece.after, as_bytes(piece.text)}, out)) break;
  }
  lines.finish(out);
  return std::string(as_text(out.view()));
}

LineFormat raw() {
  LineFormat format;
  format.multiplexed = false;
  return format;
}

constexpr StdStream kOut = StdStream::out;
constexpr StdStream kErr = StdStream::err;

TEST(LogLines, EveryLineIsAFrameHoweverItWasWritten) {
  EXPECT_EQ(lines_of({}, {{kOut, "a"}, {kOut, "b\nc\n"}, {kOut, "\n"}}), frame(1, "ab\n") + frame(1, "c\n") + frame(1, "\n"));
}

TEST(LogLines, TheStreamsArePutTogetherEachForItself) {
  EXPECT_EQ(lines_of({}, {{kOut, "out "}, {kErr, "err\n"}, {kOut, "more\n"}}), frame(2, "err\n") + frame(1, "out more\n"));
}

TEST(LogLines, ALastLineWithoutNewlineComesAsItIs) {
  EXPECT_EQ(lines_of({}, {{kOut, "a\nhalf"}}), frame(1, "a\n") + frame(1, "half"));
  EXPECT_EQ(lines_of(raw(), {{kOut, "a\nhalf"}}), "a\nhalf");
}

TEST(LogLines, OnlyTheSelectedStreamsAreWritten) {
  LineFormat format;
  format.streams.out = false;
  EXPECT_EQ(lines_of(format, {{kOut, "out\n"}, {kErr, "err\n"}}), frame(2, "err\n"));
}

TEST(LogLines, TimestampsHaveNineDigitsAndAreOfTheRecordThatCompletedTheLine) {
  LineFormat format = raw();
  format.timestamps = true;
  EXPECT_EQ(lines_of(format, {{kOut, "a"}, {kOut, "b\n", 5ns}, {kOut, "c\n", 1s + 120ms}}),
            "2023-11-14T22:13:20.000000005Z ab\n2023-11-14T22:13:21.120000000Z c\n");
}

TEST(LogLines, DetailsStandBetweenTheStampAndTheLine) {
  LineFormat format = raw();
  format.timestamps = true;
  format.details = true;
  format.details_text = "a=1,b=2";
  EXPECT_EQ(lines_of(format, {{kOut, "x\n"}}), "2023-11-14T22:13:20.000000000Z a=1,b=2 x\n");
  format.timestamps = false;
  format.details_text = "";
  EXPECT_EQ(lines_of(format, {{kOut, "x\n"}}), " x\n");
}

TEST(LogLines, SurplusLinesAreDropped) {
  LineFormat format = raw();
  format.surplus_lines = 2;
  EXPECT_EQ(lines_of(format, {{kOut, "1\n2"}, {kOut, "2\n3\n"}, {kOut, "4\n"}}), "3\n4\n");
}

TEST(LogLines, SinceAndUntilAreInclusive) {
  LineFormat format = raw();
  format.since = kStart + 1s;
  format.until = kStart + 2s;
  EXPECT_EQ(lines_of(format, {{kOut, "0\n"}, {kOut, "1\n", 1s}, {kOut, "2\n", 2s}, {kOut, "3\n", 3s}}), "1\n2\n");
}

TEST(LogLines, ALineOfAnyLengthIsWrittenInPiecesOfWhichTheFirstIsStamped) {
  LineFormat format = raw();
  format.timestamps = true;
  const std::string part(LogLines::kLongestPiece - 10, 'x');
  EXPECT_EQ(lines_of(format, {{kOut, part}, {kOut, part}, {kOut, "end\nnext\n"}}),
            "2023-11-14T22:13:20.000000000Z " + part + part + "end\n2023-11-14T22:13:20.000000000Z next\n");
}

TEST(LogLines, ADroppedLongLineIsDroppedToItsEnd) {
  LineFormat format = raw();
  format.surplus_lines = 1;
  const std::string part(LogLines::kLongestPiece, 'x');
  EXPECT_EQ(lines_of(format, {{kOut, part}, {kOut, part}, {kOut, "end\nnext\n"}}), "next\n");
}

TEST(LogLines, NothingIsLostWhereverTheOutputIsCut) {
  const std::string text = "one\n\ntwo three\n\r\nfour\n0123456789\nlast";
  const std::string whole = lines_of({}, {{kOut, text}});
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      EXPECT_EQ(lines_of({}, {{kOut, text.substr(0, first)}, {kOut, text.substr(first, second - first)}, {kOut, text.substr(second)}}),
                whole);
    }
  }
}

}  // namespace
}  // namespace sockerless
