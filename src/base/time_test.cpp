#include "base/time.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;

TEST(Time, Rfc3339DropsTrailingZerosAsGoDoes) {
  const TimePoint base{1700000000s};
  EXPECT_EQ(format_rfc3339(base), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_rfc3339(base + 120ms), "2023-11-14T22:13:20.12Z");
  EXPECT_EQ(format_rfc3339_fixed(base + 1ns), "2023-11-14T22:13:20.000000001Z");
  EXPECT_EQ(format_rfc3339(kNever), "0001-01-01T00:00:00Z");
}

TEST(Time, Rfc3339IsReadBack) {
  const TimePoint base{1700000000s};
  EXPECT_EQ(find_rfc3339("2023-11-14T22:13:20.000000001Z"), base + 1ns);
  EXPECT_EQ(find_rfc3339("2023-11-15T00:13:20+02:00"), base);
  EXPECT_EQ(find_rfc3339("0001-01-01T00:00:00Z"), kNever);
  EXPECT_FALSE(find_rfc3339("2023-02-30T00:00:00Z"));
  EXPECT_FALSE(find_rfc3339("2023-11-14"));
}

TEST(Time, ParametersAreUnixSecondsOrRfc3339) {
  EXPECT_EQ(parse_time_parameter("1700000000.000000001"), TimePoint(1700000000s + 1ns));
  EXPECT_EQ(parse_time_parameter("1700000000"), TimePoint(1700000000s));
  EXPECT_EQ(parse_time_parameter("2023-11-14T22:13:20Z"), TimePoint(1700000000s));
  EXPECT_EQ(parse_time_parameter("0"), TimePoint(0s));
  for (const char* bad : {"", "x", "12x", "1.2.3", "--1", "99999999999999999999"}) EXPECT_THROW(parse_time_parameter(bad), Error) << bad;
}

TEST(Time, DurationsReadAsDockerWritesThem) {
  EXPECT_EQ(human_duration(0s), "Less than a second");
  EXPECT_EQ(human_duration(1s), "1 second");
  EXPECT_EQ(human_duration(47s), "47 seconds");
  EXPECT_EQ(human_duration(60s), "About a minute");
  EXPECT_EQ(human_duration(5min), "5 minutes");
  EXPECT_EQ(human_duration(1h), "About an hour");
  EXPECT_EQ(human_duration(24h * 3), "3 days");
  EXPECT_EQ(human_duration(24h * 21), "3 weeks");
}

}  // namespace
}  // namespace sockerless
