#include "api/filters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Filters, ReadsBothForms) {
  EXPECT_THAT(Filters::parse(R"({"label":{"a=b":true,"c":true}})").get("label"), testing::ElementsAre("a=b", "c"));
  EXPECT_THAT(Filters::parse(R"({"label":["a=b","c"]})").get("label"), testing::ElementsAre("a=b", "c"));
  EXPECT_TRUE(Filters::parse("").empty());
  EXPECT_TRUE(Filters::parse("{}").empty());
  EXPECT_TRUE(Filters::parse("null").empty());
  EXPECT_TRUE(Filters::parse(R"({"name":{}})").contains("name"));
}

TEST(Filters, RefusesWhatIsNeither) {
  for (const std::string_view text :
       {"x", "[]", "{\"a\":1}", "{\"a\":{\"b\":1}}", "{\"a\":[1]}", "{\"a\":[\"b\"],\"c\":{\"d\":true}}", "{} {}", "{\"a\":\"b\"}"}) {
    EXPECT_EQ(failure([&] { Filters::parse(text); }), "invalid filter") << text;
  }
}

TEST(Filters, WritesTheNewerForm) {
  Filters filters;
  EXPECT_EQ(filters.to_json(), "");
  filters.add("status", "running");
  filters.add("label", "a=<b>");
  filters.add("label", "a=<b>");
  EXPECT_EQ(filters.to_json(), R"({"label":{"a=\u003cb\u003e":true},"status":{"running":true}})");
  EXPECT_EQ(Filters::parse(filters.to_json()), filters);
  filters.remove("label");
  EXPECT_FALSE(filters.contains("label"));
}

TEST(Filters, ExactAndPrefixMatches) {
  const Filters filters = Filters::parse(R"({"id":["abc","def"]})");
  EXPECT_TRUE(filters.exact_match("id", "abc"));
  EXPECT_FALSE(filters.exact_match("id", "abcd"));
  EXPECT_TRUE(filters.prefix_match("id", "defgh"));
  EXPECT_FALSE(filters.prefix_match("id", "de"));
  EXPECT_TRUE(filters.exact_match("other", "anything"));
}

TEST(Filters, NamesMatchAsRegularExpressions) {
  const auto matches = [](std::string_view pattern, std::string_view name) {
    Filters filters;
    filters.add("name", pattern);
    return filters.name_match("name", name);
  };
  EXPECT_TRUE(matches("web", "/my-web-1"));
  EXPECT_FALSE(matches("web", "/database"));
  EXPECT_TRUE(matches("^/web$", "/web"));
  EXPECT_FALSE(matches("^/web$", "/web2"));
  EXPECT_TRUE(matches("^/?(web|db)_[0-9]+$", "/db_12"));
  EXPECT_FALSE(matches("(", "/web"));
  EXPECT_TRUE(matches("(", "("));
  EXPECT_TRUE(Filters().name_match("name", "/web"));
}

TEST(Filters, AHostilePatternIsGivenUp) {
  Filters filters;
  filters.add("name", "(a*)*(a*)*(a*)*(a*)*b$");
  EXPECT_FALSE(filters.name_match("name", std::string(5000, 'a')));
  Filters nested;
  nested.add("name", std::string(20000, '(') + std::string(20000, ')'));
  EXPECT_FALSE(nested.name_match("name", "x"));
}

TEST(Filters, LabelsMatchByKeyOrByKeyAndValue) {
  const std::map<std::string, std::string> labels{{"app", "web"}, {"empty", ""}, {"url", "a=b"}};
  EXPECT_TRUE(Filters::parse(R"({"label":["app"]})").match_labels(labels));
  EXPECT_TRUE(Filters::parse(R"({"label":["app=web","empty=","url=a=b"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label":["app=db"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label":["app","gone"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label!":["app"]})").match_labels(labels));
  EXPECT_TRUE(Filters::parse(R"({"label!":["app=db"]})").match_labels(labels));
  EXPECT_TRUE(Filters().match_labels({}));
}

TEST(Filters, YesOrNo) {
  EXPECT_TRUE(Filters::parse(R"({"dangling":["1"]})").boolean_or("dangling", false));
  EXPECT_FALSE(Filters::parse(R"({"dangling":{"false":true}})").boolean_or("dangling", true));
  EXPECT_TRUE(Filters().boolean_or("dangling", true));
  EXPECT_EQ(failure([] { Filters::parse(R"({"dangling":["maybe"]})").boolean_or("dangling", true); }), "invalid filter 'dangling=[maybe]'");
  EXPECT_EQ(failure([] { Filters::parse(R"({"dangling":["0","1"]})").boolean_or("dangling", true); }), "invalid filter 'dangling=[0 1]'");
  EXPECT_EQ(failure([] { Filters::parse(R"({"dangling":[]})").boolean_or("dangling", true); }), "invalid filter 'dangling'");
}

TEST(Filters, AKeyThatIsNotAcceptedIsNamed) {
  const Filters filters = Filters::parse(R"({"label":["a"],"colour":["red"]})");
  EXPECT_EQ(failure([&] { filters.validate({"label", "name"}); }), "invalid filter 'colour'");
  EXPECT_NO_THROW(filters.validate({"label", "colour"}));
}

}  // namespace
}  // namespace sockerless::api
