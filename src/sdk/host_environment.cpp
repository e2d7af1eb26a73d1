#include "sockerless/host_environment.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace sockerless {

namespace {

constexpr std::size_t kMaxFile = 16UL * 1024 * 1024;

class ProcessHostEnvironment final : public HostEnvironment {
 public:
  std::optional<std::string> variable(const std::string& name) const override {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }

  std::expected<std::string, int> read_file(const std::string& path) const override {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe in its place must not hold us up
    if (!fd) return std::unexpected(errno);
    std::string text;
    std::array<char, 16UL * 1024> buffer;
    for (;;) {
      const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
      if (count == 0) return text;
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return std::unexpected(errno);
      text.append(buffer.data(), static_cast<std::size_t>(count));
      if (text.size() > kMaxFile) return std::unexpected(EFBIG);
    }
  }

  std::expected<FileKind, int> kind_of(const std::string& path) const override {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return std::unexpected(errno);
    if (S_ISSOCK(status.st_mode)) return FileKind::socket;
    if (S_ISREG(status.st_mode)) return FileKind::regular;
    return S_ISDIR(status.st_mode) ? FileKind::directory : FileKind::other;
  }

  uid_t user_id() const override { return ::geteuid(); }

  std::string home_directory() const override {
    if (const auto home = variable("HOME"); home && !home->empty()) return *home;
    std::vector<char> buffer(16UL * 1024);
    passwd entry{};
    passwd* found = nullptr;
    ::getpwuid_r(user_id(), &entry, buffer.data(), buffer.size(), &found);
    return found == nullptr || found->pw_dir == nullptr ? std::string() : std::string(found->pw_dir);
  }
};

}  // namespace

const HostEnvironment& process_host_environment() {
  static const ProcessHostEnvironment environment;
  return environment;
}

}  // namespace sockerless
