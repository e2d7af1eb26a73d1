// For LD_PRELOAD: kills its process just before its Nth step, a step being a system call whose effect outlives the process. With N counted
// up from one, a test walks through everything that lies between two steps.
//
//   KILL_AT_STEP=N      which
//   KILL_ARMED_BY=FILE  counting begins when this file exists
//
// Programs that the process starts are not concerned.

#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

class Steps {
 public:
  Steps() {
    if (const char* at = std::getenv("KILL_AT_STEP")) at_ = std::atol(at);
    if (const char* file = std::getenv("KILL_ARMED_BY")) armed_by_ = file;
    ::unsetenv("LD_PRELOAD");
  }
  void take() {
    if (at_ == 0) return;
    if (!armed_) {
      if (::access(armed_by_.c_str(), F_OK) != 0) return;
      armed_ = true;
    }
    if (++taken_ == at_) ::kill(::getpid(), SIGKILL);
  }

 private:
  long at_ = 0;
  std::string armed_by_;
  std::atomic<bool> armed_ = false;
  std::atomic<long> taken_ = 0;
};

void take_step() {
  static Steps steps;
  steps.take();
}

[[gnu::constructor]] void take_no_step() { take_step(); }  // reads the environment while the process has one thread

template <typename F>
F* original(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

constexpr int kCreates = O_CREAT | O_TRUNC;

mode_t mode_of(int flags, va_list& list) { return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0; }

}  // namespace

// NOLINTBEGIN: the C library's names and types
#define STEP(result, name, parameters, arguments)                 \
  extern "C" result name parameters {                             \
    static auto* const next = original<result parameters>(#name); \
    take_step();                                                  \
    return next arguments;                                        \
  }
#define STEP_NOEXCEPT(result, name, parameters, arguments)        \
  extern "C" result name parameters noexcept {                    \
    static auto* const next = original<result parameters>(#name); \
    take_step();                                                  \
    return next arguments;                                        \
  }
#define OPEN(name)                                                         \
  extern "C" int name(const char* path, int flags, ...) {                  \
    static auto* const next = original<int(const char*, int, ...)>(#name); \
    if ((flags & kCreates) != 0) take_step();                              \
    va_list list;                                                          \
    va_start(list, flags);                                                 \
    const mode_t mode = mode_of(flags, list);                              \
    va_end(list);                                                          \
    return next(path, flags, mode);                                        \
  }
#define OPENAT(name)                                                            \
  extern "C" int name(int folder, const char* path, int flags, ...) {           \
    static auto* const next = original<int(int, const char*, int, ...)>(#name); \
    if ((flags & kCreates) != 0) take_step();                                   \
    va_list list;                                                               \
    va_start(list, flags);                                                      \
    const mode_t mode = mode_of(flags, list);                                   \
    va_end(list);                                                               \
    return next(folder, path, flags, mode);                                     \
  }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
STEP_NOEXCEPT(int, rename, (const char* from, const char* to), (from, to))
STEP_NOEXCEPT(int, renameat, (int a, const char* from, int b, const char* to), (a, from, b, to))
STEP_NOEXCEPT(int, renameat2, (int a, const char* from, int b, const char* to, unsigned flags), (a, from, b, to, flags))
STEP_NOEXCEPT(int, mkdir, (const char* path, mode_t mode), (path, mode))
STEP_NOEXCEPT(int, mkdirat, (int folder, const char* path, mode_t mode), (folder, path, mode))
STEP_NOEXCEPT(int, unlink, (const char* path), (path))
STEP_NOEXCEPT(int, unlinkat, (int folder, const char* path, int flags), (folder, path, flags))
STEP_NOEXCEPT(int, rmdir, (const char* path), (path))
STEP_NOEXCEPT(int, symlink, (const char* target, const char* path), (target, path))
STEP_NOEXCEPT(int, symlinkat, (const char* target, int folder, const char* path), (target, folder, path))
STEP_NOEXCEPT(int, link, (const char* from, const char* to), (from, to))
STEP_NOEXCEPT(int, linkat, (int a, const char* from, int b, const char* to, int flags), (a, from, b, to, flags))
STEP_NOEXCEPT(int, mount, (const char* source, const char* target, const char* type, unsigned long flags, const void* data),
              (source, target, type, flags, data))
STEP_NOEXCEPT(int, umount2, (const char* target, int flags), (target, flags))
STEP_NOEXCEPT(int, unshare, (int flags), (flags))
STEP_NOEXCEPT(int, ftruncate, (int file, off_t size), (file, size))
STEP_NOEXCEPT(int, ftruncate64, (int file, off64_t size), (file, size))
STEP(FILE*, fopen, (const char* path, const char* mode), (path, mode))
STEP(FILE*, fopen64, (const char* path, const char* mode), (path, mode))
STEP(ssize_t, write, (int file, const void* data, size_t size), (file, data, size))
STEP(ssize_t, writev, (int file, const iovec* data, int count), (file, data, count))
STEP(ssize_t, send, (int socket, const void* data, size_t size, int flags), (socket, data, size, flags))
STEP(int, fsync, (int file), (file))
STEP(int, fdatasync, (int file), (file))
STEP(ssize_t, pwrite, (int file, const void* data, size_t size, off_t offset), (file, data, size, offset))
STEP(ssize_t, pwrite64, (int file, const void* data, size_t size, off64_t offset), (file, data, size, offset))
STEP(ssize_t, sendmsg, (int socket, const msghdr* message, int flags), (socket, message, flags))
STEP(int, posix_spawn,
     (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes, char* const* arguments,
      char* const* environment),
     (pid, path, actions, attributes, arguments, environment))
STEP(int, posix_spawnp,
     (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes, char* const* arguments,
      char* const* environment),
     (pid, path, actions, attributes, arguments, environment))
STEP_NOEXCEPT(pid_t, fork, (), ())
// NOLINTEND
