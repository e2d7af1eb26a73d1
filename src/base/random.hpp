#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sockerless {

/// Randomness is given to the code that needs it, so that tests can choose it.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;

  /// 64 lower-case hexadecimal digits (256 bits): the form of Docker's ids.
  std::string hex64();
  /// A number in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// The system's random source (getrandom(2)). Threads: any.
Random& system_random();

}  // namespace sockerless
