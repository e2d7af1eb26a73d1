#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/dockerfile.hpp"

namespace sockerless::local {

/// Splits a Dockerfile into instructions: directives, comments, continued lines.
class DockerfileLines {
 public:
  /// Reads the parser directives. @errors invalid_argument: an escape that is none.
  explicit DockerfileLines(std::string_view text);

  char escape() const { return escape_; }
  /// The next instruction; nothing at the end. @errors invalid_argument: a line of 64 KiB, 1 MiB of continued ones.
  std::optional<Instruction> next();

 private:
  std::optional<std::string_view> read_line();
  void read_directives();
  bool take_continuation(std::string& line) const;

  std::string_view rest_;
  std::size_t line_number_ = 0;
  char escape_ = '\\';
};

/// Cuts keyword and flags off the joined text.
void take_apart(Instruction& instruction);
/// An instruction as lines that read as it and that no reader finds too long.
std::string lines_of(std::string_view text, char escape);
/// What whitespace separates.
std::vector<std::string> split_words(std::string_view text);
/// The first word in capitals.
std::string upper_word(std::string_view text);
std::string_view trim(std::string_view text);

}  // namespace sockerless::local
