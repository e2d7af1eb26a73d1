#include "api/query.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/params.hpp"
#include "base/error.hpp"

namespace sockerless::api {
namespace {

template <typename F>
std::string failure(F run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no failure";
}

TEST(Query, DecodesNamesAndValues) {
  const Query query = Query::parse("a=1&b+c=d%20e%2Bf&empty=&bare&a=2&&x=y=z");
  EXPECT_EQ(query.text("a"), "1");
  EXPECT_EQ(query.text("b c"), "d e+f");
  EXPECT_TRUE(query.contains("empty"));
  EXPECT_TRUE(query.contains("bare"));
  EXPECT_FALSE(query.contains("none"));
  EXPECT_EQ(query.text("x"), "y=z");
  EXPECT_THAT(query.all("a"), testing::ElementsAre("1", "2"));
}

TEST(Query, RefusesMalformedEscapes) {
  EXPECT_EQ(failure([] { Query::parse("a=%zz"); }), "invalid URL escape \"%zz\"");
  EXPECT_EQ(failure([] { Query::parse("a=%"); }), "invalid URL escape \"%\"");
  EXPECT_EQ(failure([] { Query::parse("%4=1"); }), "invalid URL escape \"%4\"");
  EXPECT_EQ(failure([] { Query::parse("a=1;b=2"); }), "invalid semicolon separator in query");
  EXPECT_EQ(percent_decode("library%2Fbusybox+x"), "library/busybox+x");
}

TEST(Query, BooleansFollowDockersRule) {
  for (const std::string_view text : {"a=", "a=0", "a=no", "a=No", "a=false", "a=FALSE", "a=none", "a=%20false%20", "b=1"}) {
    EXPECT_FALSE(Query::parse(text).boolean("a")) << text;
  }
  for (const std::string_view text : {"a=1", "a=true", "a=yes", "a=off", "a=2", "a=junk"})
    EXPECT_TRUE(Query::parse(text).boolean("a")) << text;
  EXPECT_TRUE(Query::parse("").boolean_or("stream", true));
  EXPECT_FALSE(Query::parse("stream=").boolean_or("stream", true));
}

TEST(Query, SomeBooleansAreStrict) {
  EXPECT_TRUE(parse_network_inspect_params(Query::parse("verbose=true")).verbose);
  EXPECT_FALSE(parse_network_inspect_params(Query::parse("")).verbose);
  EXPECT_EQ(failure([] { parse_network_inspect_params(Query::parse("verbose=maybe")); }),
            "invalid value for verbose: maybe: strconv.ParseBool: parsing \"maybe\": invalid syntax");
}

TEST(Query, IntegersFailInGosWords) {
  EXPECT_EQ(Query::parse("t=-1").integer("t"), -1);
  EXPECT_EQ(Query::parse("t=%2B7").integer("t"), 7);
  EXPECT_EQ(Query::parse("t=").integer("t"), std::nullopt);
  EXPECT_EQ(failure([] { Query::parse("t=ten").integer("t"); }), "strconv.Atoi: parsing \"ten\": invalid syntax");
  EXPECT_EQ(failure([] { Query::parse("t=1.5").integer("t"); }), "strconv.Atoi: parsing \"1.5\": invalid syntax");
  EXPECT_EQ(failure([] { Query::parse("t=99999999999999999999").integer("t"); }),
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range");
  EXPECT_EQ(failure([] { parse_container_resize_params(Query::parse("h=24")); }), "strconv.Atoi: parsing \"\": invalid syntax");
}

TEST(Params, LogsTakeTimesTailAndDetails) {
  const auto params =
      parse_container_logs_params(Query::parse("stdout=1&follow=true&since=1700000000.000000005&until=0&tail=20&timestamps=1&details=1"));
  EXPECT_TRUE(params.stdout);
  EXPECT_FALSE(params.stderr);
  EXPECT_TRUE(params.follow);
  EXPECT_TRUE(params.timestamps);
  EXPECT_TRUE(params.details);
  EXPECT_EQ(unix_nanoseconds(*params.since), 1700000000000000005);
  EXPECT_FALSE(params.until.has_value());
  EXPECT_EQ(params.tail, 20U);
  EXPECT_FALSE(parse_container_logs_params(Query::parse("tail=all")).tail.has_value());
  EXPECT_FALSE(parse_container_logs_params(Query::parse("tail=some")).tail.has_value());
  EXPECT_FALSE(parse_container_logs_params(Query::parse("tail=-1")).tail.has_value());
  EXPECT_EQ(parse_container_logs_params(Query::parse("tail=0")).tail, 0U);
}

TEST(Params, EventsReadBothFormsOfTimeAndKeepTheEpoch) {
  const auto params =
      parse_system_events_params(Query::parse("since=0&until=2023-11-14T22%3A13%3A20Z&filters=%7B%22type%22%3A%5B%22image%22%5D%7D"));
  EXPECT_EQ(unix_seconds(*params.since), 0);
  EXPECT_EQ(unix_seconds(*params.until), 1700000000);
  EXPECT_THAT(params.filters.get("type"), testing::ElementsAre("image"));
  EXPECT_NE(failure([] { parse_system_events_params(Query::parse("since=yesterday")); }), "no failure");
}

TEST(Params, DefaultsAreThoseOfTheDocument) {
  EXPECT_EQ(parse_container_wait_params(Query::parse("condition=")).condition, "not-running");
  EXPECT_EQ(parse_container_wait_params(Query::parse("condition=removed")).condition, "removed");
  EXPECT_EQ(parse_container_kill_params(Query()).signal, "SIGKILL");
  EXPECT_EQ(parse_container_top_params(Query()).ps_args, "-ef");
  EXPECT_TRUE(parse_container_stats_params(Query()).stream);
  EXPECT_TRUE(parse_image_commit_params(Query()).pause);
  EXPECT_FALSE(parse_container_list_params(Query()).limit.has_value());
}

TEST(Params, RepeatedAndHeaderParameters) {
  EXPECT_THAT(parse_image_get_all_params(Query::parse("names=a&names=b")).names, testing::ElementsAre("a", "b"));
  EXPECT_THAT(parse_image_build_params(Query::parse("t=a:1&t=b&rm=0")).t, testing::ElementsAre("a:1", "b"));
  const HeaderLookup headers = [](std::string_view name) { return name == "X-Registry-Auth" ? std::string("e30=") : std::string(); };
  EXPECT_EQ(parse_image_create_params(Query::parse("fromImage=busybox&tag=latest"), headers).x_registry_auth, "e30=");
  EXPECT_EQ(parse_image_create_params(Query::parse("fromImage=busybox&tag=latest")).from_image, "busybox");
}

TEST(Params, ABadFilterIsRefused) {
  EXPECT_EQ(failure([] { parse_container_list_params(Query::parse("filters=%7Bx")); }), "invalid filter");
}

}  // namespace
}  // namespace sockerless::api
