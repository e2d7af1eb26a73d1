#include "net/http.hpp"

#include <gtest/gtest.h>

namespace sockerless::net {
namespace {

TEST(Headers, NamesAreComparedWithoutCaseAndOrderIsKept) {
  Headers headers{{"Content-Type", "a"}, {"X-One", "1"}};
  headers.add("x-one", "2");
  EXPECT_EQ(headers.find("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.find("X-ONE"), "1");
  EXPECT_EQ(headers.count("X-One"), 2U);
  headers.set("X-One", "3");
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.begin()[1].value, "3");
  headers.remove("content-type");
  EXPECT_FALSE(headers.contains("Content-Type"));
  EXPECT_EQ(headers.find("x-ONE"), "3");
}

TEST(Headers, ClearedFieldsDoNotComeBack) {
  Headers headers{{"A", "1"}, {"B", "2"}};
  headers.clear();
  EXPECT_TRUE(headers.empty());
  headers.add("C", "3");
  EXPECT_EQ(headers.size(), 1U);
  EXPECT_FALSE(headers.contains("B"));
  EXPECT_EQ(headers.find("c"), "3");
}

TEST(Headers, AMovedFromOneIsEmpty) {
  Headers from{{"A", "1"}};
  const Headers to = std::move(from);
  EXPECT_EQ(to.find("a"), "1");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(from.begin(), from.end());
}

TEST(Headers, TokensAreFoundInListsAndInRepeatedFields) {
  const Headers headers{{"Connection", "keep-alive, Upgrade"}, {"connection", "x"}};
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_TRUE(headers.has_token("Connection", "X"));
  EXPECT_FALSE(headers.has_token("Connection", "grade"));
}

TEST(Method, NamesRoundTripAndAreCaseSensitive) {
  for (const Method method : {Method::get, Method::head, Method::post, Method::put, Method::delete_, Method::options, Method::patch}) {
    EXPECT_EQ(method_of(name_of(method)), method);
  }
  EXPECT_EQ(method_of("get"), Method::other);
  EXPECT_EQ(method_of("OTHER"), Method::other);
}

}  // namespace
}  // namespace sockerless::net
