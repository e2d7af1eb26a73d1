#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace sockerless {

/// True for exactly 64 lower-case hexadecimal digits.
constexpr bool is_hex64(std::string_view text) {
  if (text.size() != 64) return false;
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

/// A full object id: 64 lower-case hexadecimal digits, typed by what it names. Past the HTTP edge no id is a bare string.
template <typename Tag>
class Id {
 public:
  /// @errors invalid_argument: not 64 hexadecimal digits.
  static Id parse(std::string_view text) {
    if (!is_hex64(text)) throw Error::invalid_argument("invalid {} id: {}", Tag::kKind, text);
    return Id(std::string(text));
  }

  const std::string& str() const { return text_; }
  /// The first 12 digits, as clients show it.
  std::string short_str() const { return text_.substr(0, 12); }

  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  explicit Id(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

struct ContainerTag {
  static constexpr std::string_view kKind = "container";
};
struct ExecTag {
  static constexpr std::string_view kKind = "exec";
};
struct NetworkTag {
  static constexpr std::string_view kKind = "network";
};

using ContainerId = Id<ContainerTag>;
using ExecId = Id<ExecTag>;
using NetworkId = Id<NetworkTag>;

}  // namespace sockerless

template <typename Tag>
struct std::hash<sockerless::Id<Tag>> {
  std::size_t operator()(const sockerless::Id<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};
