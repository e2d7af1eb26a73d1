#include "backends/local/log_file.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/monitor/protocol.hpp"

namespace sockerless::local {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    std::string pattern = fs::temp_directory_path() / "sockerless-log-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/output.log";
    feed_ = std::make_shared<LogFeed>(path_);
  }
  ~LogFileTest() override { fs::remove_all(folder_); }

  static std::string record(std::string_view text, std::uint8_t stream = 1, std::int64_t time = 5) {
    RecordHeader header;
    header.stream = stream;
    header.length = static_cast<std::uint32_t>(text.size());
    header.time = time;
    const auto total = static_cast<RecordTrailer>(text.size() + kRecordOverhead);
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    bytes += text;
    bytes.append(reinterpret_cast<const char*>(&total), sizeof(total));
    return bytes;
  }
  void append(const std::string& bytes) { std::ofstream(path_, std::ios::app) << bytes; }

  /// The texts a reader gives from the offset on, "2:" before those of stderr.
  std::vector<std::string> texts(std::uint64_t offset = 0) {
    auto reader = make_log_reader(pool_, feed_, nullptr, offset);
    std::vector<std::string> result;
    for (;;) {
      const auto batch = run(reader->next());
      if (batch.empty()) return result;
      for (const auto& one : batch)
        result.push_back((one.stream == StdStream::err ? "2:" : "") +
                         std::string(reinterpret_cast<const char*>(one.payload.data()), one.payload.size()));
    }
  }
  /// What is left of the tail after the surplus lines are dropped.
  std::string tail(std::uint64_t lines, StreamSelection streams = {}) {
    const LogPosition position = blocking_log_tail(path_, lines, streams);
    std::string all;
    for (const auto& text : texts(position.offset)) {
      const bool error = text.starts_with("2:");
      if (error ? streams.err : streams.out) all += error ? text.substr(2) : text;
    }
    for (std::uint64_t i = 0; i < position.surplus_lines; ++i) all.erase(0, all.find('\n') + 1);
    return all;
  }

  std::string folder_;
  std::string path_;
  BlockingPool pool_{1};
  std::shared_ptr<LogFeed> feed_;
};

TEST_F(LogFileTest, RecordsComeBackWithStreamTimeAndBytes) {
  append(record("one\n") + record(std::string("\0\xff\n", 3), 2, 1'700'000'000'000'000'001));
  auto reader = make_log_reader(pool_, feed_, nullptr, 0);
  const auto batch = run(reader->next());
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch[1].stream, StdStream::err);
  EXPECT_EQ(batch[1].payload.size(), 3U);
  EXPECT_EQ(unix_nanoseconds(batch[1].time), 1'700'000'000'000'000'001);
}

TEST_F(LogFileTest, AMissingOrEmptyLogHasNothing) {
  EXPECT_TRUE(texts().empty());
  EXPECT_EQ(blocking_log_end(path_), 0U);
  EXPECT_EQ(tail(5), "");
}

TEST_F(LogFileTest, ATornLastRecordIsNotThereAtEveryLength) {
  const std::string whole = record("whole\n");
  const std::string torn = record("torn off somewhere\n");
  for (std::size_t length = 0; length < torn.size(); ++length) {
    fs::remove(path_);
    append(whole + torn.substr(0, length));
    ASSERT_THAT(texts(), ElementsAre("whole\n")) << length;
    ASSERT_EQ(blocking_log_end(path_), whole.size()) << length;
    ASSERT_EQ(tail(3), "whole\n") << length;
  }
}

TEST_F(LogFileTest, AReaderGoesOnWhenTheTornRecordIsCompleted) {
  const std::string second = record("second");
  append(record("first") + second.substr(0, 10));
  auto reader = make_log_reader(pool_, feed_, nullptr, 0);
  EXPECT_EQ(run(reader->next()).size(), 1U);
  EXPECT_TRUE(run(reader->next()).empty());
  append(second.substr(10));
  EXPECT_EQ(run(reader->next()).size(), 1U);
}

TEST_F(LogFileTest, NonsenseEndsTheLogInsteadOfTheReader) {
  append(record("good\n") + std::string(200, 'x'));
  EXPECT_THAT(texts(), ElementsAre("good\n"));
  RecordHeader huge;
  huge.length = 0xffffffff;
  fs::remove(path_);
  append(record("good\n") + std::string(reinterpret_cast<const char*>(&huge), sizeof(huge)) + std::string(100, 'y'));
  EXPECT_THAT(texts(), ElementsAre("good\n"));
}

TEST_F(LogFileTest, TailCountsLinesNotRecords) {
  append(record("a\nb\n") + record("c\nd") + record("d\n"));
  EXPECT_EQ(tail(0), "");
  EXPECT_EQ(tail(1), "dd\n");
  EXPECT_EQ(tail(2), "c\ndd\n");
  EXPECT_EQ(tail(3), "b\nc\ndd\n");
  EXPECT_EQ(tail(99), "a\nb\nc\ndd\n");
}

TEST_F(LogFileTest, ALastLineWithoutItsEndIsALine) {
  append(record("a\nb\n") + record("prompt> "));
  EXPECT_EQ(tail(1), "prompt> ");
  EXPECT_EQ(tail(2), "b\nprompt> ");
}

TEST_F(LogFileTest, TailLooksAtTheSelectedStreamsOnly) {
  append(record("o1\n") + record("e1\n", 2) + record("o2\n") + record("e2\n", 2));
  EXPECT_EQ(tail(1, {true, false}), "o2\n");
  EXPECT_EQ(tail(2, {false, true}), "e1\ne2\n");
}

TEST_F(LogFileTest, TailOfALongLogOfFullRecords) {
  const std::string line(999, 'x');
  std::string payload;
  for (int i = 0; i < 60; ++i) payload += line + "\n";
  for (int i = 0; i < 40; ++i) append(record(payload));
  append(record("last\n"));
  EXPECT_EQ(tail(1), "last\n");
  EXPECT_EQ(tail(1000).size(), 999U * 1000 + 5);
}

}  // namespace
}  // namespace sockerless::local
