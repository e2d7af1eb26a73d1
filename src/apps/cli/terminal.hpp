#pragma once

#include <optional>

#include <termios.h>

#include "backend/streams.hpp"

namespace sockerless::cli {

/// Puts the terminal on standard input into raw mode for as long as it lives; does nothing when standard input is no terminal.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  void restore();

 private:
  std::optional<termios> saved_;
};

bool stdin_is_terminal();
/// The size of the terminal on standard output; nothing when there is none.
std::optional<TerminalSize> terminal_size();

}  // namespace sockerless::cli
