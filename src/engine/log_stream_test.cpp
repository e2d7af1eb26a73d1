#include "engine/log_stream.hpp"

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using fakes::frame;

struct LogStreamTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeWorkloads driver;

  ContainerPtr add(bool tty = false) {
    WorkloadSpec spec = fakes::make_spec('a', "box");
    spec.config.tty = tty;
    return fakes::add_container(table, std::move(spec));
  }
  std::string read(const ContainerPtr& container, LogOptions options) {
    const OutputStream stream = run(open_log_stream(driver, container, std::move(options)));
    return run(fakes::drain(*stream.bytes));
  }
};

LogOptions both_streams() {
  LogOptions options;
  options.show_stdout = true;
  options.show_stderr = true;
  return options;
}

TEST_F(LogStreamTest, AskingForNeitherStreamIsRefused) { EXPECT_THROW(run(open_log_stream(driver, add(), {})), Error); }

TEST_F(LogStreamTest, ATerminalIsRawAndEverythingElseFramed) {
  const auto box = add();
  driver.log(box->id())->write(StdStream::err, "x\n");
  EXPECT_EQ(read(box, both_streams()), frame(2, "x\n"));
  WorkloadSpec spec = fakes::make_spec('b', "term");
  spec.config.tty = true;
  const auto term = fakes::add_container(table, std::move(spec));
  driver.log(term->id())->write(StdStream::out, "x\r\n");
  EXPECT_EQ(run(open_log_stream(driver, term, both_streams())).framing, Framing::raw);
  EXPECT_EQ(read(term, both_streams()), "x\r\n");
}

TEST_F(LogStreamTest, TailGivesTheLastLines) {
  const auto box = add(true);
  for (const char* line : {"1\n", "2\n", "3\n", "4\n"}) driver.log(box->id())->write(StdStream::out, line);
  LogOptions options = both_streams();
  options.tail = 2;
  EXPECT_EQ(read(box, options), "3\n4\n");
  options.tail = 9;
  EXPECT_EQ(read(box, options), "1\n2\n3\n4\n");
  options.tail = 0;
  EXPECT_EQ(read(box, options), "");
}

TEST_F(LogStreamTest, FollowingAStoppedContainerEndsAtOnce) {
  const auto box = add(true);
  driver.log(box->id())->write(StdStream::out, "old\n");
  LogOptions options = both_streams();
  options.follow = true;
  EXPECT_EQ(read(box, options), "old\n");
}

TEST_F(LogStreamTest, FollowingEndsWithTheRun) {
  const auto box = add(true);
  const auto log = driver.log(box->id());
  log->set_running(true);
  fakes::start(box);
  LogOptions options = both_streams();
  options.follow = true;
  const OutputStream stream = run(open_log_stream(driver, box, options));
  std::string seen;
  run(both([](ByteSource& source, std::string& text) -> Task<void> { text = co_await fakes::drain(source); }(*stream.bytes, seen),
           [](std::shared_ptr<fakes::FakeLog> output) -> Task<void> {
             output->write(StdStream::out, "one\npar");
             output->write(StdStream::out, "tial");
             output->set_running(false);
             co_return;
           }(log)));
  EXPECT_EQ(seen, "one\npartial");
}

TEST_F(LogStreamTest, FollowingEndsWhenUntilHasPassed) {
  const auto box = add(true);
  driver.log(box->id())->set_running(true);
  fakes::start(box);
  LogOptions options = both_streams();
  options.follow = true;
  options.until = system_clock().now() + 5ms;
  driver.log(box->id())->write(StdStream::out, "one\n", system_clock().now());
  EXPECT_EQ(read(box, options), "one\n");
}

TEST_F(LogStreamTest, AContainerThatLogsNothingSaysSo) {
  WorkloadSpec spec = fakes::make_spec('c', "quiet");
  spec.host_config.log_config.emplace().type = api::HostConfigLogConfigType(std::string_view("none"));
  const auto quiet = fakes::add_container(table, std::move(spec));
  try {
    run(open_log_stream(driver, quiet, both_streams()));
    FAIL() << "read the logs of a container that keeps none";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_implemented);
    EXPECT_EQ(error.message(), "configured logging driver does not support reading");
  }
}

TEST(LogDetails, NameWhatTheLogOptionsAskFor) {
  WorkloadSpec spec = fakes::make_spec('a', "box");
  spec.config.labels = std::map<std::string, std::string>{{"team", "a b"}, {"other", "x"}};
  spec.config.env = std::vector<std::string>{"LEVEL=1", "HOME=/"};
  spec.host_config.log_config.emplace().config = std::map<std::string, std::string>{{"labels", "team,none"}, {"env", "LEVEL"}};
  EXPECT_EQ(log_details(spec), "LEVEL=1,team=a+b");
  EXPECT_EQ(log_details(fakes::make_spec('b', "plain")), "");
}

}  // namespace
}  // namespace sockerless
