#include "apps/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace sockerless::cli {

RawTerminal::RawTerminal() {
  termios settings{};
  if (::tcgetattr(STDIN_FILENO, &settings) != 0) return;
  saved_ = settings;
  ::cfmakeraw(&settings);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

RawTerminal::~RawTerminal() { restore(); }

void RawTerminal::restore() {
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  saved_.reset();
}

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

std::optional<TerminalSize> terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return TerminalSize{.height = size.ws_row, .width = size.ws_col};
}

}  // namespace sockerless::cli
