#pragma once

#include <expected>
#include <type_traits>
#include <utility>

#include "sockerless/error.hpp"

namespace sockerless {

namespace detail {
/// Ends the program: a value was taken of a result that has none.
[[noreturn]] void no_value(const DockerError& error) noexcept;
/// The same for the error of a success.
[[noreturn]] void no_error() noexcept;
}  // namespace detail

/// What a function of this library gives back: a value, or why there is none.
///
/// A class around std::expected and not an alias, because only a class can be [[nodiscard]]. Nothing here throws: taking the value of a
/// failure ends the program with the failure's text.
///
///   Result<api::SystemVersion> version = client.system_version();
///   if (!version) return report(version.error());
///   print(version->api_version);
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <typename U = T>
    requires(std::is_constructible_v<T, U> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, DockerError>)
  Result(U&& value) : expected_(std::in_place, std::forward<U>(value)) {}
  Result(DockerError error) : expected_(std::unexpect, std::move(error)) {}

  bool has_value() const noexcept { return expected_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  const T& value() const& noexcept { return check(), *expected_; }
  T& value() & noexcept { return check(), *expected_; }
  T&& value() && noexcept { return check(), *std::move(expected_); }
  const T& operator*() const& noexcept { return value(); }
  T& operator*() & noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  const T* operator->() const noexcept { return &value(); }
  T* operator->() noexcept { return &value(); }
  template <typename U>
  T value_or(U&& fallback) const& {
    return expected_.value_or(std::forward<U>(fallback));
  }
  template <typename U>
  T value_or(U&& fallback) && {
    return std::move(expected_).value_or(std::forward<U>(fallback));
  }

  const DockerError& error() const& noexcept { return check_error(), expected_.error(); }
  DockerError&& error() && noexcept { return check_error(), std::move(expected_).error(); }

  /// As the standard's type.
  const std::expected<T, DockerError>& expected() const& noexcept { return expected_; }
  std::expected<T, DockerError>&& expected() && noexcept { return std::move(expected_); }

 private:
  void check() const noexcept {
    if (!expected_.has_value()) detail::no_value(expected_.error());
  }
  void check_error() const noexcept {
    if (expected_.has_value()) detail::no_error();
  }

  std::expected<T, DockerError> expected_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(DockerError error) : expected_(std::unexpect, std::move(error)) {}

  bool has_value() const noexcept { return expected_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const noexcept {
    if (!expected_.has_value()) detail::no_value(expected_.error());
  }

  const DockerError& error() const& noexcept { return check_error(), expected_.error(); }
  DockerError&& error() && noexcept { return check_error(), std::move(expected_).error(); }

  const std::expected<void, DockerError>& expected() const& noexcept { return expected_; }

 private:
  void check_error() const noexcept {
    if (expected_.has_value()) detail::no_error();
  }

  std::expected<void, DockerError> expected_;
};

}  // namespace sockerless
