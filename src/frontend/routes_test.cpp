#include "frontend/routes.hpp"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/route.hpp"
#include "base/error.hpp"

namespace sockerless::frontend {
namespace {

const std::set<std::string, std::less<>> kServedTags{"Container", "Exec", "Image", "Network", "Volume", "System", "Distribution"};

boost::json::value document(const std::string& version) {
  std::ifstream in(std::string(SOCKERLESS_SOURCE_DIR) + "/src/api/docker-v" + version + ".json");
  std::stringstream text;
  text << in.rdbuf();
  return boost::json::parse(text.str());
}

/// A path of the document with something in the place of its parameters.
std::string sample_path(std::string path) {
  for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) path.replace(at, path.find('}') - at + 1, "sample");
  return path;
}

class Document : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Versions, Document, testing::Values("1.44", "1.56"), [](const auto& info) {
  std::string name = info.param;
  name.replace(name.find('.'), 1, "_");
  return name;
});

TEST_P(Document, EveryEndpointOfTheServedTagsHasAHandler) {
  int served = 0;
  const boost::json::value all = document(GetParam());
  for (const boost::json::value& endpoint : all.at("endpoints").as_array()) {
    const std::string method(endpoint.at("method").as_string());
    const std::string path(endpoint.at("path").as_string());
    const auto match = api::find_route(method, sample_path(path));
    ASSERT_TRUE(match.has_value()) << method << " " << path << " has no route";
    const bool wanted =
        kServedTags.contains(std::string_view(endpoint.at("tag").as_string())) || match->route->operation == api::Operation::plugin_inspect;
    EXPECT_EQ(find_handler(match->route->operation) != nullptr, wanted) << method << " " << path;
    served += wanted ? 1 : 0;
  }
  EXPECT_GT(served, 60);
}

TEST(Routes, WhatIsNotServedSaysTheWayOut) {
  int refused = 0;
  for (const api::Route& route : api::routes()) {
    if (find_handler(route.operation) != nullptr) continue;
    ++refused;
    try {
      refuse_operation(route.operation, route.tag);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_implemented);
      EXPECT_THAT(error.message(), testing::ContainsRegex(": (build|use|run) ")) << route.path;
    }
  }
  EXPECT_GT(refused, 30);
}

TEST(Routes, BuildKitIsRefusedWithTheTwoWaysOut) {
  try {
    refuse_operation(api::Operation::session, api::Tag::session);
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::AllOf(testing::HasSubstr("DOCKER_BUILDKIT=0"), testing::HasSubstr("docker-container driver")));
  }
}

}  // namespace
}  // namespace sockerless::frontend
