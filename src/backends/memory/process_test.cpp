#include "backends/memory/process.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless::memory {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<SimulatedProcess> make(const ProcessScript& script, std::shared_ptr<MemoryLog> log, Stdin standard_input = Stdin::closed) {
  return std::make_shared<SimulatedProcess>(script, "the command", std::move(log), standard_input, system_clock(), nullptr);
}

Task<std::string> read_whole(std::shared_ptr<MemoryLog> log, LogPosition from = {}) {
  auto reader = MemoryLog::open(std::move(log), from);
  std::string text;
  for (;;) {
    const bool over = reader->is_over();
    const auto records = co_await reader->next();
    for (const LogRecord& record : records) text += (record.stream == StdStream::out ? "o:" : "e:") + std::string(as_text(record.payload));
    if (records.empty() && over) co_return text;
    if (records.empty()) co_await reader->wait_for_more();
  }
}

TEST(SimulatedProcess, EchoesItsCommandLineAndEndsAtOnce) {
  const auto log = std::make_shared<MemoryLog>();
  const auto process = make({}, log);
  process->begin();
  EXPECT_TRUE(process->has_ended());
  EXPECT_FALSE(process->has_timers());
  EXPECT_EQ(run(process->wait()).exit_code, 0);
  EXPECT_EQ(run(read_whole(log)), "o:the command\n");
}

TEST(SimulatedProcess, WritesItsLinesAtTheirTimesAndThenEnds) {
  const auto log = std::make_shared<MemoryLog>();
  ProcessScript script;
  script.speaks = true;
  script.exit_code = 7;
  script.lines = {{0ms, StdStream::out, "a\n"}, {1ms, StdStream::err, "b\n"}, {2ms, StdStream::out, "c\n"}};
  const auto process = make(script, log);
  process->begin();
  ASSERT_TRUE(process->has_timers());
  run(SimulatedProcess::play(process));
  EXPECT_EQ(run(process->wait()).exit_code, 7);
  EXPECT_EQ(run(read_whole(log)), "o:a\ne:b\no:c\n");
}

TEST(SimulatedProcess, DoesNotMoveWhilePaused) {
  const auto log = std::make_shared<MemoryLog>();
  ProcessScript script;
  script.speaks = true;
  script.lines = {{1ms, StdStream::out, "late\n"}};
  const auto process = make(script, log);
  process->begin();
  process->pause();
  EXPECT_EQ(run([](auto paused) -> Task<First> { co_return co_await race(SimulatedProcess::play(paused), sleep_for(10ms)); }(process)),
            First::other);
  EXPECT_FALSE(process->has_ended());
  EXPECT_EQ(log->end().offset, 0U);
  process->unpause();
  run(SimulatedProcess::play(process));
  EXPECT_EQ(run(read_whole(log)), "o:late\n");
}

TEST(SimulatedProcess, EndsBySignalsUnlessItIgnoresThem) {
  ProcessScript script;
  script.run_time = std::nullopt;
  script.ignored_signals = {SIGINT};
  const auto process = make(script, std::make_shared<MemoryLog>());
  process->begin();
  EXPECT_TRUE(process->signal(SIGINT));
  EXPECT_TRUE(process->signal(SIGWINCH));
  EXPECT_FALSE(process->has_ended());
  EXPECT_TRUE(process->signal(SIGTERM));
  EXPECT_EQ(run(process->wait()).exit_code, 143);
  EXPECT_FALSE(process->signal(SIGTERM));
}

TEST(SimulatedProcess, HoldsSignalsWhilePausedButNotKill) {
  ProcessScript script;
  script.run_time = std::nullopt;
  const auto first = make(script, std::make_shared<MemoryLog>());
  first->begin();
  first->pause();
  first->signal(SIGTERM);
  EXPECT_FALSE(first->has_ended());
  first->unpause();
  EXPECT_EQ(run(first->wait()).exit_code, 143);
  const auto second = make(script, std::make_shared<MemoryLog>());
  second->begin();
  second->pause();
  second->signal(SIGKILL);
  EXPECT_EQ(run(second->wait()).exit_code, 137);
}

TEST(SimulatedProcess, EchoesStdinUntilItIsClosed) {
  const auto log = std::make_shared<MemoryLog>();
  ProcessScript script;
  script.speaks = true;
  script.stdin_use = StdinUse::echo;
  const auto process = make(script, log, Stdin::open);
  process->begin();
  EXPECT_FALSE(process->has_ended());
  EXPECT_TRUE(process->feed_stdin(as_bytes("some")));
  EXPECT_TRUE(process->feed_stdin(as_bytes(" input")));
  process->close_stdin();
  EXPECT_TRUE(process->has_ended());
  EXPECT_FALSE(process->feed_stdin(as_bytes("more")));
  EXPECT_EQ(run(read_whole(log)), "o:someo: input");
}

TEST(MemoryLog, FindsTheLastLinesOfTheSelectedStreams) {
  const auto log = std::make_shared<MemoryLog>();
  const auto write = [&](StdStream stream, const char* text) { log->append(stream, TimePoint{}, text); };
  write(StdStream::out, "1\n2\n");
  write(StdStream::err, "x\n");
  write(StdStream::out, "3\n4");
  const auto tail = [&](std::uint64_t lines, StreamSelection streams) {
    const LogPosition position = log->tail(lines, streams);
    return std::pair(position.offset, position.surplus_lines);
  };
  EXPECT_EQ(tail(0, {}), std::pair(3UL, 0UL));
  EXPECT_EQ(tail(1, {}), std::pair(2UL, 1UL));
  EXPECT_EQ(tail(2, {}), std::pair(1UL, 1UL));
  EXPECT_EQ(tail(3, {.out = true, .err = false}), std::pair(0UL, 1UL));
  EXPECT_EQ(tail(1, {.out = false, .err = true}), std::pair(0UL, 0UL));
  EXPECT_EQ(tail(100, {}), std::pair(0UL, 0UL));
}

}  // namespace
}  // namespace sockerless::memory
