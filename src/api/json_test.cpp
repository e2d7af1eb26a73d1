#include "api/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

template <typename T>
std::string failure(std::string_view text) {
  try {
    parse_json<T>(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no failure";
}

TEST(JsonWriter, EscapesAsGoDoes) {
  EXPECT_EQ(to_json(std::string("a\"b\\c\n\t\r\b\f\x01\x7f")), "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\x7f\"");
  EXPECT_EQ(to_json(std::string("<a>&")), "\"\\u003ca\\u003e\\u0026\"");
  EXPECT_EQ(to_json(std::string("\xE2\x80\xA8 \xE2\x80\xA9 \xE2\x80\xAA é")), "\"\\u2028 \\u2029 \xE2\x80\xAA é\"");
}

TEST(JsonWriter, ReplacesInvalidUtf8) {
  EXPECT_EQ(to_json(std::string("a\xFF"
                                "b\xC0\x80\xED\xA0\x80")),
            R"("a\ufffdb\ufffd\ufffd\ufffd\ufffd\ufffd")");
  EXPECT_EQ(to_json(std::string("\xE2\x82")), R"("\ufffd\ufffd")");
}

TEST(JsonWriter, NumbersAreThoseOfGo) {
  EXPECT_EQ(to_json(std::int64_t{-9223372036854775807 - 1}), "-9223372036854775808");
  EXPECT_EQ(to_json(std::uint64_t{18446744073709551615U}), "18446744073709551615");
  EXPECT_EQ(to_json(0.5), "0.5");
  EXPECT_EQ(to_json(100.0), "100");
  EXPECT_EQ(to_json(1e20), "100000000000000000000");
  EXPECT_EQ(to_json(1e21), "1e+21");
  EXPECT_EQ(to_json(1e-7), "1e-7");
  EXPECT_EQ(to_json(0.000001), "0.000001");
}

TEST(JsonWriter, WritesContainersWithSortedKeys) {
  EXPECT_EQ(to_json(std::map<std::string, std::vector<int>>{{"b", {1, 2}}, {"a", {}}}), R"({"a":[],"b":[1,2]})");
  EXPECT_EQ(to_json(std::vector<std::optional<std::string>>{"x", std::nullopt}), R"(["x",null])");
}

TEST(JsonReader, ReadsStringsWithEscapes) {
  EXPECT_EQ(parse_json<std::string>(R"("a\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00")"), "a\"\\/\b\f\n\r\tA\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(parse_json<std::string>(R"("\ud83dx\ude00")"), "\xEF\xBF\xBDx\xEF\xBF\xBD");
  EXPECT_EQ(parse_json<std::string>("\"a\xFF\""), "a\xEF\xBF\xBD");
}

TEST(JsonReader, KeepsIntegersExact) {
  EXPECT_EQ(parse_json<std::int64_t>("9007199254740993"), 9007199254740993);
  EXPECT_EQ(parse_json<std::int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_json<std::uint64_t>("18446744073709551615"), UINT64_MAX);
}

TEST(JsonReader, RefusesWhatAnIntegerCannotHold) {
  EXPECT_EQ(failure<std::int64_t>("9223372036854775808"),
            "invalid JSON: json: cannot unmarshal number 9223372036854775808 into Go value of type int64");
  EXPECT_EQ(failure<std::int64_t>("1.5"), "invalid JSON: json: cannot unmarshal number 1.5 into Go value of type int64");
  EXPECT_EQ(failure<std::uint16_t>("65536"), "invalid JSON: json: cannot unmarshal number 65536 into Go value of type uint16");
  EXPECT_EQ(failure<std::uint8_t>("-1"), "invalid JSON: json: cannot unmarshal number -1 into Go value of type uint8");
}

TEST(JsonReader, KeepsTheTextOfFreeValues) {
  EXPECT_EQ(parse_json<RawJson>(" { \"a\" : [ 1.50 , 123456789012345678901234567890, null , true ] ,\n \"b\" : { } } ").text,
            R"({"a":[1.50,123456789012345678901234567890,null,true],"b":{}})");
}

TEST(JsonReader, NullLeavesTheZeroValue) {
  EXPECT_EQ(parse_json<std::string>("null"), "");
  EXPECT_EQ(parse_json<std::vector<std::string>>(R"(["a",null])"), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ((parse_json<std::map<std::string, std::string>>(R"({"a":null})")), (std::map<std::string, std::string>{{"a", ""}}));
}

struct BadText {
  std::string_view text;
  std::string_view message;
};

class JsonReaderRefuses : public testing::TestWithParam<BadText> {};

TEST_P(JsonReaderRefuses, WhatIsNotJson) { EXPECT_EQ(failure<RawJson>(GetParam().text), GetParam().message); }

INSTANTIATE_TEST_SUITE_P(
    All, JsonReaderRefuses,
    testing::Values(BadText{"", "invalid JSON: got EOF while reading request body"},
                    BadText{"  ", "invalid JSON: got EOF while reading request body"}, BadText{"{", "invalid JSON: unexpected EOF"},
                    BadText{"[1,", "invalid JSON: unexpected EOF"}, BadText{"\"abc", "invalid JSON: unexpected EOF"},
                    BadText{"\"\\", "invalid JSON: unexpected EOF"}, BadText{"tru", "invalid JSON: unexpected EOF"},
                    BadText{"-", "invalid JSON: unexpected EOF"},
                    BadText{"x", "invalid JSON: invalid character 'x' looking for beginning of value"},
                    BadText{"{x", "invalid JSON: invalid character 'x' looking for beginning of object key string"},
                    BadText{"{\"a\" 1}", "invalid JSON: invalid character '1' after object key"},
                    BadText{"{\"a\":1 \"b\":2}", "invalid JSON: invalid character '\"' after object key:value pair"},
                    BadText{"[1 2]", "invalid JSON: invalid character '2' after array element"},
                    BadText{"[1,]", "invalid JSON: invalid character ']' looking for beginning of value"},
                    BadText{"{\"a\":1,}", "invalid JSON: invalid character '}' looking for beginning of object key string"},
                    BadText{"\"\n\"", "invalid JSON: invalid character '\\n' in string literal"},
                    BadText{"\"\\x\"", "invalid JSON: invalid character 'x' in string escape code"},
                    BadText{"\"\\u00g0\"", "invalid JSON: invalid character 'g' in \\u hexadecimal character escape"},
                    BadText{"-x", "invalid JSON: invalid character 'x' in numeric literal"},
                    BadText{"1.x", "invalid JSON: invalid character 'x' after decimal point in numeric literal"},
                    BadText{"1ex", "invalid JSON: invalid character 'x' in exponent of numeric literal"},
                    BadText{"trux", "invalid JSON: invalid character 'x' in literal true (expecting 'e')"},
                    BadText{"\x80", "invalid JSON: invalid character '\\u0080' looking for beginning of value"},
                    BadText{"\xE9", "invalid JSON: invalid character '\xC3\xA9' looking for beginning of value"},
                    BadText{"\x01", "invalid JSON: invalid character '\\x01' looking for beginning of value"},
                    BadText{"{'a':1}", "invalid JSON: invalid character '\\'' looking for beginning of object key string"},
                    BadText{"{} {}", "unexpected content after JSON"}, BadText{"1 x", "unexpected content after JSON"},
                    BadText{"01", "unexpected content after JSON"}));

TEST(JsonReader, RefusesWhatIsNestedTooDeep) {
  const std::string deep(JsonReader::kMaxDepth + 1, '[');
  EXPECT_EQ(failure<RawJson>(deep), "invalid JSON: exceeded max depth");
  const std::string fits = std::string(JsonReader::kMaxDepth, '[') + std::string(JsonReader::kMaxDepth, ']');
  EXPECT_EQ(parse_json<RawJson>(fits).text, fits);
}

}  // namespace
}  // namespace sockerless::api
