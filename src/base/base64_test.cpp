#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace sockerless {
namespace {

TEST(Base64, IsReadInBothAlphabetsAndWrittenInTheOneAskedFor) {
  for (const std::string text : {"", "a", "ab", "abc", "{\"username\":\"me\",\"password\":\"\xff\xfe?>\"}"})
    EXPECT_EQ(decode_base64(encode_base64(text)), text);
  EXPECT_EQ(encode_base64("\xfb\xff"), "+/8=");
  EXPECT_EQ(encode_base64("\xfb\xff", Base64Alphabet::url), "-_8=");
  EXPECT_EQ(decode_base64("-_8"), "\xfb\xff");
  EXPECT_EQ(decode_base64("a b"), std::nullopt);
  EXPECT_EQ(decode_base64("abcde"), std::nullopt);
}

}  // namespace
}  // namespace sockerless
