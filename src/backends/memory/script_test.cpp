#include "backends/memory/script.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::memory {
namespace {

using namespace std::chrono_literals;

TEST(ContainerScript, IsQuietAndShortWithoutLabels) {
  const auto script = ContainerScript::parse({{"com.example", "x"}});
  EXPECT_FALSE(script.run.speaks);
  EXPECT_EQ(script.run.run_time, Duration::zero());
  EXPECT_EQ(script.run.exit_code, 0);
  EXPECT_TRUE(script.health.empty());
}

TEST(ContainerScript, ReadsEveryLabel) {
  const auto script = ContainerScript::parse({{"sockerless.sim.exit_code", "3"},
                                              {"sockerless.sim.run_time", "forever"},
                                              {"sockerless.sim.stdout", "first\n@100ms second\n@@third"},
                                              {"sockerless.sim.stderr", "@50ms oops"},
                                              {"sockerless.sim.stdin", "echo"},
                                              {"sockerless.sim.health", "unhealthy,hang,healthy"},
                                              {"sockerless.sim.start_error", "no such file"},
                                              {"sockerless.sim.start_exit_code", "127"},
                                              {"sockerless.sim.ignore_signals", "SIGTERM,INT,1"},
                                              {"sockerless.sim.exec.exit_code", "4"},
                                              {"sockerless.sim.exec.run_time", "1.5s"}});
  EXPECT_EQ(script.run.exit_code, 3);
  EXPECT_EQ(script.run.run_time, std::nullopt);
  EXPECT_EQ(script.run.stdin_use, StdinUse::echo);
  ASSERT_EQ(script.run.lines.size(), 4U);
  EXPECT_EQ(script.run.lines[0].text, "first\n");
  EXPECT_EQ(script.run.lines[1].text, "oops\n");
  EXPECT_EQ(script.run.lines[1].stream, StdStream::err);
  EXPECT_EQ(script.run.lines[2].at, Duration(100ms));
  EXPECT_EQ(script.run.lines[3].text, "@third\n");
  EXPECT_EQ(script.run.start_error, "no such file");
  EXPECT_EQ(script.run.start_exit_code, 127);
  EXPECT_EQ(script.run.ignored_signals, (std::set<int>{SIGTERM, SIGINT, SIGHUP}));
  EXPECT_EQ(script.health, (std::vector{ProbeResult::unhealthy, ProbeResult::hang, ProbeResult::healthy}));
  EXPECT_EQ(script.exec.exit_code, 4);
  EXPECT_EQ(script.exec.run_time, Duration(1500ms));
}

TEST(ContainerScript, RefusesWhatItDoesNotKnowAndNamesTheLabel) {
  const std::map<std::string, std::string> bad = {
      {"sockerless.sim.exitcode", "1"},          {"sockerless.sim.exit_code", "256"},  {"sockerless.sim.exit_code", "x"},
      {"sockerless.sim.run_time", "1 second"},   {"sockerless.sim.run_time", "-1s"},   {"sockerless.sim.stdout", "@soon x"},
      {"sockerless.sim.stdout", "@2s x\n@1s y"}, {"sockerless.sim.health", "maybe"},   {"sockerless.sim.ignore_signals", "SIGKILL"},
      {"sockerless.sim.start_exit_code", "1"},   {"sockerless.sim.exec.nothing", "1"}, {"sockerless.sim.stdin", "read"}};
  for (const auto& [label, value] : bad) {
    try {
      ContainerScript::parse({{label, value}});
      ADD_FAILURE() << label << "=" << value << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(error.message().find(label), std::string::npos) << error.message();
    }
  }
}

TEST(FindDuration, ReadsGoDurations) {
  EXPECT_EQ(find_duration("0"), Duration::zero());
  EXPECT_EQ(find_duration("1h2m3s"), Duration(1h + 2min + 3s));
  EXPECT_EQ(find_duration("1m30ms"), Duration(1min + 30ms));
  EXPECT_EQ(find_duration("250us"), Duration(250us));
  for (const char* text : {"", "s", "1", "1x", "1s2", "-1s", "inf s", "1e99h"}) EXPECT_EQ(find_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace sockerless::memory
