#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace sockerless::differential {

/// An answer as it was on the wire: what a comparison must see.
struct WireAnswer {
  std::string status_line;
  std::vector<std::pair<std::string, std::string>> headers;  ///< in their order and case
  std::string framing;                                       ///< "length", "chunked", "close", "none", "raw"
  std::string body;                                          ///< without its framing

  int status() const;
  std::string header(std::string_view name) const;
};

/// A connection to a unix socket that speaks plain bytes. Blocking; each wait ends after half a minute with an error.
class Wire {
 public:
  explicit Wire(const std::string& socket_path);

  void send(std::string_view bytes);
  void half_close();
  /// The next answer. An upgraded connection's body is not read: read_to_end does.
  WireAnswer read_answer(bool to_head);
  std::string read_until(std::string_view end);
  std::string read_to_end();

 private:
  bool more();
  std::string take(std::size_t count);
  void read_body(WireAnswer& answer, bool to_head);

  UniqueFd fd_;
  std::string received_;
};

}  // namespace sockerless::differential
