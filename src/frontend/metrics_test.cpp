#include "frontend/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST(Metrics, RequestsAreCountedByMethodAndClass) {
  Metrics metrics;
  metrics.count(net::Method::get, 200, 1ms);
  metrics.count(net::Method::get, 204, 1ms);
  metrics.count(net::Method::post, 503, 1ms);
  metrics.count(net::Method::delete_, 0, 1ms);
  const std::string text = metrics.text({.backend = "docker", .is_backend_up = false, .connections = 3, .streams = 2});
  EXPECT_THAT(text, HasSubstr("sockerless_http_requests_total{method=\"GET\",status=\"2xx\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sockerless_http_requests_total{method=\"POST\",status=\"5xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sockerless_http_requests_total{method=\"DELETE\",status=\"none\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("method=\"PUT\"")));
  EXPECT_THAT(text, HasSubstr("\nsockerless_http_connections 3\n"));
  EXPECT_THAT(text, HasSubstr("\nsockerless_http_streams 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsockerless_backend_up{backend=\"docker\"} 0\n"));
}

TEST(Metrics, DurationsFallIntoBucketsThatAddUp) {
  Metrics metrics;
  for (const auto duration : {500us, 501us, 2000us}) metrics.count(net::Method::get, 200, duration);
  metrics.count(net::Method::get, 101, 1h);
  const std::string text = metrics.text({});
  const std::string name = "sockerless_http_request_duration_seconds";
  EXPECT_THAT(text, HasSubstr(name + "_bucket{le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{le=\"0.001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{le=\"0.0025\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{le=\"10\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(name + "_count 4\n"));
  EXPECT_THAT(text, HasSubstr(name + "_sum 3600.003"));
}

}  // namespace
}  // namespace sockerless
