#include "base/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw from_errno(errno, "pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd blocking_open(std::string_view path, int flags, unsigned mode) {
  const std::string name(path);
  UniqueFd fd(::open(name.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw from_errno(errno, fmt::format("open {}", name));
  return fd;
}

}  // namespace sockerless
