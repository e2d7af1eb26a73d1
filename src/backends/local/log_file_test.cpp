#include "backends/local/log_file.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/monitor/log_writer.hpp"
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

// ---- a log with a limit, written by the monitor's own writer

namespace sockerless::local {
namespace {

class LimitedLogTest : public testing::Test {
 protected:
  LimitedLogTest() {
    std::string pattern = fs::temp_directory_path() / "sockerless-log-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/output.log";
    feed_ = std::make_shared<LogFeed>(path_);
    EXPECT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
  }
  ~LimitedLogTest() override {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
    fs::remove_all(folder_);
  }

  void write_lines(LogWriter& writer, int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string line = "line " + std::to_string(i) + std::string(80, '.') + "\n";
      ASSERT_EQ(::write(pipe_[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
      ASSERT_EQ(writer.copy_from(pipe_[0], 1), static_cast<ssize_t>(line.size()));
    }
  }
  static Task<std::string> read(LogReader& reader) {
    std::string all;
    for (;;) {
      const auto batch = co_await reader.next();
      if (batch.empty()) co_return all;
      for (const auto& one : batch) all.append(reinterpret_cast<const char*>(one.payload.data()), one.payload.size());
    }
  }
  std::string text(std::uint64_t offset = 0) {
    const auto reader = make_log_reader(pool_, feed_, nullptr, offset);
    return run(read(*reader));
  }
  std::uint64_t disk_bytes() const {
    struct stat status{};
    ::stat(path_.c_str(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  std::string folder_;
  std::string path_;
  BlockingPool pool_{1};
  std::shared_ptr<LogFeed> feed_;
  std::array<int, 2> pipe_{};
};

TEST_F(LimitedLogTest, OnlyTheNewestPartsAreKept) {
  const auto writer = std::make_unique<LogWriter>();
  writer->limit(10'000, 3);
  ASSERT_TRUE(writer->open(path_.c_str()));
  write_lines(*writer, 0, 5000);
  const std::string kept = text();
  EXPECT_TRUE(kept.starts_with("line ")) << kept.substr(0, 100);
  EXPECT_NE(kept.find("line 4999."), std::string::npos);
  EXPECT_EQ(kept.find("line 4000."), std::string::npos);
  EXPECT_GE(kept.size(), 16'000U);
  EXPECT_LE(kept.size(), 30'000U);
  EXPECT_LE(disk_bytes(), 64'000U);
  EXPECT_EQ(blocking_log_end(path_), writer->size());
}

TEST_F(LimitedLogTest, TailAndAReaderThatFellBehindFindTheirWay) {
  const auto writer = std::make_unique<LogWriter>();
  writer->limit(10'000, 1);
  ASSERT_TRUE(writer->open(path_.c_str()));
  write_lines(*writer, 0, 20);
  const auto behind = make_log_reader(pool_, feed_, nullptr, 0);
  EXPECT_TRUE(run(read(*behind)).ends_with("line 19" + std::string(80, '.') + "\n"));
  write_lines(*writer, 20, 2000);
  const std::string later = run(read(*behind));
  EXPECT_TRUE(later.starts_with("line ")) << later.substr(0, 100);
  EXPECT_NE(later.find("line 1999."), std::string::npos);
  const LogPosition two = blocking_log_tail(path_, 2, {});
  EXPECT_NE(text(two.offset).find("line 1998."), std::string::npos);
  const LogPosition all = blocking_log_tail(path_, 100'000, {});
  EXPECT_EQ(all.surplus_lines, 0U);
  EXPECT_EQ(text(all.offset), text());
}

TEST_F(LimitedLogTest, ANextRunGoesOnWithTheLimitAndCutsATornEnd) {
  auto writer = std::make_unique<LogWriter>();
  writer->limit(10'000, 2);
  ASSERT_TRUE(writer->open(path_.c_str()));
  write_lines(*writer, 0, 1000);
  const std::uint64_t end = writer->size();
  std::ofstream(path_, std::ios::app) << "\xa7torn";
  writer = std::make_unique<LogWriter>();
  writer->limit(10'000, 2);
  ASSERT_TRUE(writer->open(path_.c_str()));
  EXPECT_EQ(writer->size(), end);
  write_lines(*writer, 1000, 2000);
  EXPECT_LE(text().size(), 20'000U);
  EXPECT_NE(text().find("line 1999."), std::string::npos);
}

}  // namespace
}  // namespace sockerless::local
