#pragma once

#include <ostream>
#include <utility>

namespace sockerless {

/// A credential. It does not print; only reveal() gives it out, so every use can be found by that word.
template <typename T>
class Secret {
 public:
  Secret() = default;
  explicit Secret(T value) : value_(std::move(value)) {}
  const T& reveal() const { return value_; }

  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "<redacted>"; }

 private:
  T value_{};
};

}  // namespace sockerless
