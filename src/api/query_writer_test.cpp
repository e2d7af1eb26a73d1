#include "api/query_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/params.hpp"

namespace sockerless::api {
namespace {

using namespace std::chrono_literals;

TEST(QueryWriter, WritesWhatTheParserReads) {
  const ContainerListParams list{.all = true, .limit = -1, .size = false, .filters = {{"label", "a=b&c \"d\""}, {"name", "ü"}}};
  EXPECT_EQ(parse_container_list_params(Query::parse(to_query(list))), list);

  ContainerLogsParams logs;
  logs.follow = true;
  logs.since = TimePoint(1700000000000000001ns);
  logs.tail = 0;
  EXPECT_EQ(to_query(logs), "follow=1&since=1700000000.000000001&tail=0");
  EXPECT_EQ(parse_container_logs_params(Query::parse(to_query(logs))), logs);

  ImageBuildParams build;
  build.t = {"a:1", "b:2"};
  build.rm = false;
  build.dockerfile = "x/Docker file";
  build.buildargs = R"({"A":"1+1=2"})";
  build.x_registry_config = "e30=";
  const HeaderValues headers = to_headers(build);
  const auto lookup = [&](std::string_view name) {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return std::string();
  };
  EXPECT_EQ(parse_image_build_params(Query::parse(to_query(build)), lookup), build);

  const ContainerResizeParams size{.h = 0, .w = 80};
  EXPECT_EQ(to_query(size), "h=0&w=80");
  EXPECT_EQ(parse_container_resize_params(Query::parse(to_query(size))), size);
}

TEST(QueryWriter, LeavesDefaultsOut) {
  EXPECT_EQ(to_query(ContainerListParams{}), "");
  EXPECT_EQ(to_query(ImageBuildParams{}), "");
  EXPECT_EQ(to_query(ContainerStatsParams{}), "");
  EXPECT_EQ(to_query(ContainerStatsParams{.stream = false}), "stream=0");
  EXPECT_EQ(to_query(SystemEventsParams{}), "");
  EXPECT_THAT(to_headers(ImageCreateParams{}), testing::IsEmpty());
}

TEST(QueryWriter, ReadsAgainATimeBefore1970) {
  SystemEventsParams events;
  events.since = TimePoint(-1500ms);
  EXPECT_EQ(parse_system_events_params(Query::parse(to_query(events))), events);
}

TEST(QueryWriter, EncodesEveryByteThatMeansSomething) {
  EXPECT_EQ(percent_encode("a/b?c&d=e%f g\r\n#"), "a%2Fb%3Fc%26d%3De%25f%20g%0D%0A%23");
  EXPECT_EQ(percent_encode_path("ghcr.io/a/b:1@sha256:0"), "ghcr.io/a/b%3A1%40sha256%3A0");
  for (int c = 0; c < 256; ++c) {
    const std::string text(1, static_cast<char>(c));
    EXPECT_EQ(percent_decode(percent_encode(text)), text) << c;
  }
}

}  // namespace
}  // namespace sockerless::api
