#include "api/signal.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

TEST(Signal, IsReadByNameAndNumber) {
  EXPECT_EQ(parse_signal("SIGTERM"), SIGTERM);
  EXPECT_EQ(parse_signal("term"), SIGTERM);
  EXPECT_EQ(parse_signal("sigkill"), SIGKILL);
  EXPECT_EQ(parse_signal("15"), 15);
  EXPECT_EQ(parse_signal("64"), 64);
  EXPECT_EQ(parse_signal("SIGWINCH"), SIGWINCH);
  EXPECT_EQ(parse_signal("RTMIN"), 34);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  EXPECT_EQ(parse_signal("RTMAX-1"), 63);
}

TEST(Signal, AnUnknownOneIsRefused) {
  for (const std::string text : {"", "0", "-1", "65", "SIG", "SIGFOO", "TERM ", "15x", "99999999999", "RTMIN+16", "RTMAX-15", "RTMIN+"}) {
    try {
      parse_signal(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_EQ(error.message(), "invalid signal: " + text);
    }
  }
}

TEST(Signal, EveryNumberHasAName) {
  EXPECT_EQ(signal_name(SIGTERM), "SIGTERM");
  EXPECT_EQ(signal_name(SIGABRT), "SIGABRT");
  for (int signal = 1; signal <= 64; ++signal) EXPECT_EQ(parse_signal(signal_name(signal)), signal);
}

}  // namespace
}  // namespace sockerless::api
