#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sockerless {

/// A credential. It prints as <redacted>; only reveal() gives it out, so every use can be found by that word.
template <typename T>
class Secret {
 public:
  Secret() = default;
  explicit Secret(T value) : value_(std::move(value)) {}
  const T& reveal() const { return value_; }

 private:
  T value_{};
};

}  // namespace sockerless

template <typename T>
struct fmt::formatter<sockerless::Secret<T>> : fmt::formatter<std::string_view> {
  auto format(const sockerless::Secret<T>&, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format("<redacted>", context);
  }
};
