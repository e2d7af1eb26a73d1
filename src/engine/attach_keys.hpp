#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sockerless {

/// The bytes of a detach sequence as clients write it: keys separated by commas, each one character or "ctrl-" and one of a-z @ [ \ ] ^ _;
/// empty is the default "ctrl-p,ctrl-q".
/// @errors invalid_argument: "Invalid detach keys (x) provided".
std::string parse_detach_keys(std::string_view text);

/// Looks for the sequence in a terminal's input. What may be its beginning is held back until the next byte tells.
class DetachScanner {
 public:
  explicit DetachScanner(std::string keys) : keys_(std::move(keys)) {}

  /// Appends what goes on to the process to `out`. @return true: the sequence was typed; what follows it is dropped.
  bool scan(std::span<const std::byte> input, std::vector<std::byte>& out);

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace sockerless
