#include "engine/attach_session.hpp"

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using fakes::frame;

struct AttachSessionTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeWorkloads driver;
  EventBus events{system_clock()};
  ContainerPtr box;
  std::shared_ptr<fakes::FakeLog> log;

  void make(bool tty, bool stdin_once) {
    WorkloadSpec spec = fakes::make_spec('a', "box");
    spec.config.tty = tty;
    spec.config.open_stdin = true;
    spec.config.stdin_once = stdin_once;
    box = fakes::add_container(table, std::move(spec));
    log = driver.log(box->id());
  }
  void start(TimePoint at = {}) {
    log->set_running(true);
    fakes::start(box, at);
  }
  void end() {
    log->set_running(false);
    fakes::end(box);
  }
  std::unique_ptr<AttachSession> attach(AttachOptions options) {
    return run(open_attach_session(driver, events, box, "box", std::move(options)));
  }
};

AttachOptions everything() {
  AttachOptions options;
  options.stream = options.use_stdin = options.use_stdout = options.use_stderr = true;
  return options;
}

Task<void> read_into(AttachSession& session, std::string& text) { text = co_await fakes::drain(session.output()); }
Task<void> call(std::function<void()> function) {
  function();
  co_return;
}
Task<void> type(AttachSession& session, std::string text) { co_await session.write_stdin(as_bytes(text)); }

TEST_F(AttachSessionTest, BeforeTheStartEverythingIsSeenFromTheFirstByte) {
  make(false, true);
  const auto session = attach(everything());
  std::string seen;
  run(both(read_into(*session, seen), call([&] {
             start();
             log->write(StdStream::out, "no line");
             log->write(StdStream::err, "oops\n");
             end();
           })));
  EXPECT_EQ(seen, frame(1, "no line") + frame(2, "oops\n"));
}

TEST_F(AttachSessionTest, ARunningContainerIsSeenFromNowOnAndWithLogsFromTheBeginning) {
  make(false, true);
  start();
  log->write(StdStream::out, "old");
  const auto session = attach(everything());
  AttachOptions with_logs = everything();
  with_logs.logs = true;
  const auto replay = attach(with_logs);
  log->write(StdStream::out, "new");
  end();
  EXPECT_EQ(run(fakes::drain(session->output())), frame(1, "new"));
  EXPECT_EQ(run(fakes::drain(replay->output())), frame(1, "old") + frame(1, "new"));
}

TEST_F(AttachSessionTest, LogsWithoutStreamEndAtTheEndOfTheLog) {
  make(false, true);
  start();
  log->write(StdStream::out, "old");
  AttachOptions options = everything();
  options.logs = true;
  options.stream = false;
  EXPECT_EQ(run(fakes::drain(attach(options)->output())), frame(1, "old"));
}

TEST_F(AttachSessionTest, AStoppedContainerIsAttachedToItsNextRun) {
  make(false, true);
  start();
  log->write(StdStream::out, "first");
  end();
  const auto session = attach(everything());
  std::string seen;
  run(both(read_into(*session, seen), call([&] {
             start();
             log->write(StdStream::out, "second");
             end();
           })));
  EXPECT_EQ(seen, frame(1, "second"));
}

TEST_F(AttachSessionTest, TheRunAfterIsNotSeen) {
  make(false, true);
  start(TimePoint(1s));
  const auto session = attach(everything());
  log->write(StdStream::out, "mine", TimePoint(2s));
  end();
  start(TimePoint(3s));
  log->write(StdStream::out, "not mine", TimePoint(3s));
  EXPECT_EQ(run(fakes::drain(session->output())), frame(1, "mine"));
}

TEST_F(AttachSessionTest, AStartThatFailsOrARemovalEndsTheOutput) {
  make(false, true);
  const auto session = attach(everything());
  const auto other = attach(everything());
  box->change_state([](ContainerState& state) { state.start_failed(127, "no such command", {}); });
  EXPECT_EQ(run(fakes::drain(session->output())), "");
  const auto third = attach(everything());
  box->mark_removed();
  EXPECT_EQ(run(fakes::drain(third->output())), "");
}

TEST_F(AttachSessionTest, OnlyTheStreamsAskedForAreSeen) {
  make(false, true);
  start();
  AttachOptions options = everything();
  options.use_stdout = false;
  const auto session = attach(options);
  log->write(StdStream::out, "out");
  log->write(StdStream::err, "err");
  end();
  EXPECT_EQ(run(fakes::drain(session->output())), frame(2, "err"));
}

TEST_F(AttachSessionTest, BigOutputIsFramedInPiecesOf64KiBAndNotFramedAtAllWithATerminal) {
  make(false, true);
  start();
  const auto session = attach(everything());
  const std::string big(100UL * 1024, 'x');
  log->write(StdStream::out, big);
  end();
  EXPECT_EQ(run(fakes::drain(session->output())), frame(1, big.substr(0, 65536)) + frame(1, big.substr(65536)));
  WorkloadSpec spec = fakes::make_spec('b', "term");
  spec.config.tty = true;
  box = fakes::add_container(table, std::move(spec));
  log = driver.log(box->id());
  start();
  const auto terminal = attach(everything());
  EXPECT_EQ(terminal->framing(), Framing::raw);
  log->write(StdStream::out, "a");
  log->write(StdStream::out, big);
  log->write(StdStream::out, "b");
  end();
  EXPECT_EQ(run(fakes::drain(terminal->output())), "a" + big + "b");
}

TEST_F(AttachSessionTest, InputWaitsForTheStart) {
  make(false, true);
  const auto session = attach(everything());
  run(both(type(*session, "script\n"), call([&] {
             EXPECT_EQ(driver.input(box->id())->text(), "");
             start();
           })));
  EXPECT_EQ(driver.input(box->id())->text(), "script\n");
  run(session->close_stdin());
  EXPECT_TRUE(driver.input(box->id())->closed());
}

TEST_F(AttachSessionTest, EndOfInputEndsTheSessionWhereStdinStaysOpen) {
  make(false, false);
  start();
  const auto session = attach(everything());
  std::string seen;
  run(both(read_into(*session, seen), session->close_stdin()));
  EXPECT_FALSE(driver.input(box->id())->closed());
  EXPECT_TRUE(box->state()->is_running());
}

TEST_F(AttachSessionTest, TheDetachKeysEndTheSessionAndNotTheContainer) {
  make(true, true);
  start();
  const auto session = attach(everything());
  std::string seen;
  run(both(read_into(*session, seen), type(*session, "ls\n\x10\x11more")));
  EXPECT_EQ(driver.input(box->id())->text(), "ls\n");
  EXPECT_TRUE(box->state()->is_running());
  EXPECT_EQ(run(fakes::past_events(events)), (std::vector<std::string>{"container attach", "container detach"}));
  EXPECT_THROW(run(type(*session, "x")), Error);
}

TEST_F(AttachSessionTest, WithoutATerminalTheKeysAreBytesLikeOthers) {
  make(false, true);
  start();
  const auto session = attach(everything());
  run(type(*session, "\x10\x11"));
  EXPECT_EQ(driver.input(box->id())->text(), "\x10\x11");
}

TEST_F(AttachSessionTest, WhatCannotBeAttachedToSaysWhy) {
  make(true, true);
  AttachOptions bad_keys = everything();
  bad_keys.detach_keys = "ctrl-1";
  EXPECT_THROW(attach(bad_keys), Error);
  start();
  box->change_state([](ContainerState& state) { state.pause("box"); });
  try {
    attach(everything());
    FAIL() << "attached to a paused container";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.message(), "container box is paused, unpause the container before attach");
  }
}

}  // namespace
}  // namespace sockerless
