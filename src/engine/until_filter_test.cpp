#include "engine/until_filter.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;

TEST(GoDuration, IsReadAsGoWritesIt) {
  EXPECT_EQ(find_go_duration("24h"), 24h);
  EXPECT_EQ(find_go_duration("1h30m"), 90min);
  EXPECT_EQ(find_go_duration("1.5s"), 1500ms);
  EXPECT_EQ(find_go_duration("-2m"), -2min);
  EXPECT_EQ(find_go_duration("0"), 0s);
  for (const char* bad : {"", "5", "h", "1d", "1h2", "1..5s", "99999999999h"}) EXPECT_FALSE(find_go_duration(bad)) << bad;
}

TEST(UntilFilter, TakesInstantsAndDurations) {
  const TimePoint now{1'700'000'000s};
  const auto until = [&](const char* text) {
    api::Filters filters;
    filters.add("until", text);
    return find_until(filters, now);
  };
  EXPECT_EQ(until("10m"), now - 10min);
  EXPECT_EQ(until("1600000000"), TimePoint(1'600'000'000s));
  EXPECT_EQ(until("2020-09-13T12:26:40Z"), TimePoint(1'600'000'000s));
  EXPECT_EQ(until("2020-09-13T12:26:40"), TimePoint(1'600'000'000s));
  EXPECT_EQ(until("2020-09-13"), TimePoint(1'599'955'200s));
  EXPECT_THROW(until("yesterday"), Error);
  EXPECT_FALSE(find_until({}, now));
  api::Filters twice;
  twice.add("until", "1h");
  twice.add("until", "2h");
  EXPECT_THROW(find_until(twice, now), Error);
}

}  // namespace
}  // namespace sockerless
