#pragma once

#include <string_view>

#include <fmt/format.h>

#include "sockerless/secret.hpp"

/// A credential that is formatted prints as <redacted>.
template <typename T>
struct fmt::formatter<sockerless::Secret<T>> : fmt::formatter<std::string_view> {
  auto format(const sockerless::Secret<T>&, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format("<redacted>", context);
  }
};
