#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.hpp"

namespace sockerless::net {

enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, other };

/// "GET", "DELETE"; `other` gives "OTHER".
std::string_view name_of(Method method);
/// Methods are case-sensitive; one that is not in the list is `other`.
Method method_of(std::string_view name);
/// Sending it twice does what sending it once does (RFC 9110 9.2.2).
bool is_idempotent(Method method);

/// {"message": "..."} and a line's end: the body of an error of Docker's.
std::string message_body(std::string_view message);

struct Header {
  std::string name;
  std::string value;
};

/// Header fields in the order they came, names compared without case. Cleared fields keep their memory, so that a connection's next
/// request allocates nothing.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields), size_(fields.size()) {}
  Headers(const Headers& other) : fields_(other.begin(), other.end()), size_(other.size_) {}
  Headers(Headers&& other) noexcept : fields_(std::move(other.fields_)), size_(std::exchange(other.size_, 0)) {}
  Headers& operator=(const Headers& other) {
    fields_.assign(other.begin(), other.end());
    size_ = other.size_;
    return *this;
  }
  Headers& operator=(Headers&& other) noexcept {
    fields_ = std::move(other.fields_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~Headers() = default;

  /// The value of the first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }
  /// How many fields have that name.
  std::size_t count(std::string_view name) const;
  /// True if a field of that name lists `token` (comma-separated, without case): has_token("Connection", "upgrade").
  bool has_token(std::string_view name, std::string_view token) const;

  /// Appends a field, whether or not there is one of that name.
  void add(std::string_view name, std::string_view value);
  /// Replaces every field of that name by this one.
  void set(std::string_view name, std::string_view value);
  /// `name` must not be part of these headers.
  void remove(std::string_view name);
  void clear() { size_ = 0; }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Header* begin() const { return fields_.data(); }
  const Header* end() const { return fields_.data() + size_; }

 private:
  std::vector<Header> fields_;  // those past size_ are spare
  std::size_t size_ = 0;
};

/// ASCII comparison without case.
bool equal_ignoring_case(std::string_view one, std::string_view other);

struct RequestHead {
  Method method = Method::get;
  std::string method_name;  ///< as it was sent: says which one `other` is
  std::string target;       ///< as it was sent
  std::string path;         ///< the target's path, raw: not percent-decoded
  std::string query;        ///< what follows the first '?', raw
  Headers headers;
  int version_minor = 1;  ///< HTTP/1.0 or HTTP/1.1
};

struct ResponseHead {
  int status = 200;
  std::string reason;
  Headers headers;
};

/// The standard reason phrase of a status ("Not Found"), or "Unknown".
std::string_view reason_of(int status);

/// The bytes of a body, as they come: no limit, no buffering of the whole.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// Reads at least one byte; 0 is the end of the body.
  /// @errors unavailable: the peer is gone in the middle. invalid_argument: the framing is malformed. deadline_exceeded: it stalled.
  virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
};

/// A body of unknown length on its way out. Every write is on the wire (or in the kernel's socket buffer) when it returns.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  /// @errors unavailable: the peer is gone. deadline_exceeded: it reads too slowly. cancelled: the server stops.
  virtual Task<void> write(std::span<const std::byte> data) = 0;
  /// The body is complete. A body that is not finished reaches the peer as a broken one. Idempotent.
  virtual Task<void> finish() = 0;
};

}  // namespace sockerless::net
