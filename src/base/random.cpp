#include "base/random.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/random.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw from_errno(errno, "getrandom");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::string Random::hex64() {
  std::array<std::byte, 32> bytes{};
  fill(bytes);
  std::string text;
  text.reserve(64);
  for (std::byte byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 15U];
  }
  return text;
}

std::uint64_t Random::below(std::uint64_t bound) {
  SOCKERLESS_ASSERT(bound > 0, "an empty range has no member");
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    std::array<std::byte, 8> bytes{};
    fill(bytes);
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    if (value < limit) return value % bound;
  }
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace sockerless
