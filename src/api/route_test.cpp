#include "api/route.hpp"

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sockerless::api {
namespace {

boost::json::array endpoints(const std::string& name) {
  std::ifstream file(std::string(SOCKERLESS_API_DOCUMENTS) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return boost::json::parse(text.str()).at("endpoints").as_array();
}

TEST(Route, FindsEveryEndpointOfBothDocuments) {
  for (const std::string document : {"docker-v1.44.json", "docker-v1.56.json"}) {
    const auto all = endpoints(document);
    ASSERT_GT(all.size(), 100U);
    for (const auto& endpoint : all) {
      const std::string method(endpoint.at("method").as_string());
      const std::string pattern(endpoint.at("path").as_string());
      const std::string path = std::regex_replace(pattern, std::regex("\\{[a-z]+\\}"), "some-name");
      const auto found = find_route(method, path);
      ASSERT_TRUE(found) << method << " " << path;
      EXPECT_EQ(found->route->path, pattern) << method << " " << path;
      EXPECT_EQ(name_of(found->route->operation), std::string(endpoint.at("operationId").as_string()));
      EXPECT_EQ(name_of(found->route->tag), std::string(endpoint.at("tag").as_string()));
      EXPECT_EQ(found->parameter, pattern.find('{') == std::string::npos ? "" : "some-name");
    }
  }
}

TEST(Route, AParameterMayHoldSlashes) {
  EXPECT_EQ(find_route("GET", "/images/registry:5000/team/app/json")->parameter, "registry:5000/team/app");
  EXPECT_EQ(find_route("GET", "/images/json/json/json")->parameter, "json/json");
  EXPECT_EQ(find_route("DELETE", "/images/a/b@sha256:00")->parameter, "a/b@sha256:00");
  EXPECT_EQ(find_route("GET", "/distribution/a/b/c/json")->parameter, "a/b/c");
  EXPECT_EQ(find_route("POST", "/containers/a/b/start")->parameter, "a/b");
  const auto websocket = find_route("GET", "/containers/x/attach/ws");
  EXPECT_EQ(websocket->route->operation, Operation::container_attach_websocket);
  EXPECT_EQ(websocket->parameter, "x");
}

TEST(Route, AFixedPathBeatsAPattern) {
  EXPECT_EQ(find_route("GET", "/containers/json")->route->operation, Operation::container_list);
  EXPECT_EQ(find_route("GET", "/images/get")->route->operation, Operation::image_get_all);
  EXPECT_EQ(find_route("GET", "/images/search")->route->operation, Operation::image_search);
  EXPECT_EQ(find_route("POST", "/volumes/prune")->route->operation, Operation::volume_prune);
  EXPECT_EQ(find_route("GET", "/volumes/prune")->route->operation, Operation::volume_inspect);
  EXPECT_EQ(find_route("GET", "/plugins/privileges")->route->operation, Operation::get_plugin_privileges);
}

TEST(Route, NetworksWithATrailingSlashAreListed) { EXPECT_EQ(find_route("GET", "/networks/")->route->operation, Operation::network_list); }

TEST(Route, KnowsWhatTheDocumentsLeaveOut) {
  EXPECT_EQ(find_route("POST", "/grpc")->route->operation, Operation::grpc);
  EXPECT_EQ(find_route("POST", "/build/cancel")->route->operation, Operation::build_cancel);
  EXPECT_EQ(find_route("PUT", "/volumes/v")->route->operation, Operation::volume_update);
  const auto checkpoint = find_route("DELETE", "/containers/c/checkpoints/one");
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->route->operation, Operation::checkpoint_delete);
  EXPECT_EQ(checkpoint->parameter, "c");
  EXPECT_EQ(checkpoint->second_parameter, "one");
}

TEST(Route, UnknownPathsAndMethodsAreNotFound) {
  for (const std::string_view path : {"", "/", "json", "/containers", "/containers/", "/containers/x", "/containers//json", "/images",
                                      "/images/", "/nothing", "/exec/x", "/_ping/", "/containers/x/checkpoints/"}) {
    EXPECT_FALSE(find_route("GET", path)) << path;
  }
  EXPECT_FALSE(find_route("PATCH", "/containers/json"));
  EXPECT_FALSE(find_route("get", "/containers/json"));
  EXPECT_FALSE(find_route("DELETE", "/images/"));
}

TEST(Route, RoutesThatCameLaterSaySince) {
  EXPECT_EQ(find_route("POST", "/containers/prune")->route->since, (ApiVersion{1, 25}));
  EXPECT_EQ(find_route("PUT", "/volumes/v")->route->since, (ApiVersion{1, 42}));
  EXPECT_EQ(find_route("GET", "/containers/json")->route->since, (ApiVersion{0, 0}));
}

TEST(Route, EveryRouteIsThere) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Route& route : routes()) EXPECT_TRUE(seen.emplace(route.method, route.path).second) << route.method << " " << route.path;
  EXPECT_GE(seen.size(), endpoints("docker-v1.56.json").size());
}

}  // namespace
}  // namespace sockerless::api
