#include "engine/attach_keys.hpp"

#include <gtest/gtest.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless {
namespace {

TEST(DetachKeys, AreReadAsClientsWriteThem) {
  EXPECT_EQ(parse_detach_keys(""), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("ctrl-a,x"), "\x01x");
  EXPECT_EQ(parse_detach_keys("ctrl-@,ctrl-[,ctrl-_"), (std::string{'\0', 27, 31}));
  for (const char* bad : {"ctrl-", "ctrl-P", "abc", ",", "a,", "ctrl-a,,b"}) EXPECT_THROW(parse_detach_keys(bad), Error) << bad;
}

/// What goes on to the process; "|" stands for the detaching.
std::string scanned(DetachScanner& scanner, const std::vector<std::string>& typed) {
  std::string text;
  for (const auto& piece : typed) {
    std::vector<std::byte> out;
    const bool detached = scanner.scan(as_bytes(piece), out);
    text += as_text(out);
    if (detached) return text + "|";
  }
  return text;
}

TEST(DetachScanner, FindsTheSequenceInOnePieceOrSeveral) {
  DetachScanner one("\x10\x11");
  EXPECT_EQ(scanned(one, {"ls\x10\x11rest"}), "ls|");
  DetachScanner two("\x10\x11");
  EXPECT_EQ(scanned(two, {"ls", "\x10", "\x11"}), "ls|");
}

TEST(DetachScanner, LetsGoWhatWasNotTheSequence) {
  DetachScanner one("\x10\x11");
  EXPECT_EQ(scanned(one, {"\x10", "x\x10"}), "\x10x");
  EXPECT_EQ(scanned(one, {"y"}), "\x10y");
  DetachScanner repeated("aab");
  EXPECT_EQ(scanned(repeated, {"aaab"}), "a|");
}

}  // namespace
}  // namespace sockerless
