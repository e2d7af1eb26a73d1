#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sockerless::oci {

/// The name of content by its hash: "sha256:" and 64 lower-case hexadecimal digits. The one algorithm Docker makes.
class Digest {
 public:
  /// @errors invalid_argument: not a SHA-256 digest.
  static Digest parse(std::string_view text);
  static std::optional<Digest> find(std::string_view text);
  /// The digest of these bytes.
  static Digest of(std::string_view bytes);
  static Digest of(std::span<const std::byte> bytes);

  const std::string& str() const { return text_; }
  /// The 64 digits alone.
  std::string hex() const { return text_.substr(7); }
  /// The first 12 digits, as clients show it.
  std::string short_hex() const { return text_.substr(7, 12); }

  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  friend class Sha256;
  explicit Digest(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// SHA-256 of bytes as they pass.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// The digest of everything so far; the object may only be destroyed afterwards.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace sockerless::oci

template <>
struct std::hash<sockerless::oci::Digest> {
  std::size_t operator()(const sockerless::oci::Digest& digest) const noexcept { return std::hash<std::string>{}(digest.str()); }
};
