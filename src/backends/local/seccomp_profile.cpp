#include "backends/local/seccomp_profile.hpp"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>

namespace sockerless::local {

namespace json = boost::json;

namespace {

// Allowed for every container, by what they are for. Names of other architectures and of older or newer kernels stand beside their
// modern forms (chown32, *_time64): a runtime skips the names it does not know.

constexpr std::string_view kFiles =
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 "
    "fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs "
    "fstatfs64 fsync ftruncate ftruncate64 getcwd getdents getdents64 lchown lchown32 link linkat _llseek lseek lstat lstat64 mkdir "
    "mkdirat "
    "mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead "
    "readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink "
    "symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat vmsplice write writev cachestat";
constexpr std::string_view kFileTimes = "futimesat utime utimensat utimensat_time64 utimes";
constexpr std::string_view kAttributes =
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr removexattr setxattr";
constexpr std::string_view kWatching =
    "fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
    "epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 "
    "select "
    "signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64";
constexpr std::string_view kAsynchronousIo =
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl";
constexpr std::string_view kSockets =
    "accept accept4 bind connect getpeername getsockname getsockopt listen pipe pipe2 recv recvfrom recvmmsg recvmmsg_time64 recvmsg send "
    "sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair";
constexpr std::string_view kMemory =
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync "
    "munlock "
    "munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages";
constexpr std::string_view kProcesses =
    "execve execveat exit exit_group fork vfork wait4 waitid waitpid getpgid getpgrp getpid getppid getsid gettid setpgid setsid kill "
    "tgkill "
    "tkill pause pidfd_open pidfd_send_signal process_mrelease prctl prlimit64 getrlimit ugetrlimit setrlimit getrusage getpriority "
    "setpriority "
    "ioprio_get ioprio_set restart_syscall set_tid_address get_thread_area set_thread_area getcpu uname sysinfo times getrandom";
constexpr std::string_view kIdentity =
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid getresuid32 getuid getuid32 "
    "setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid "
    "setresuid32 setreuid setreuid32 setuid setuid32 capget capset seccomp landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self";
constexpr std::string_view kSignals =
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
    "rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn alarm";
constexpr std::string_view kScheduling =
    "sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield rseq";
constexpr std::string_view kLocks = "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list set_robust_list";
constexpr std::string_view kInterProcess =
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget "
    "msgrcv "
    "msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget";
constexpr std::string_view kTime =
    "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
    "clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun timer_gettime "
    "timer_gettime64 timer_settime timer_settime64";
// Kernels since 4.8 check seccomp again after ptrace; older ones are not supported.
constexpr std::string_view kTracing = "process_vm_readv process_vm_writev ptrace";

constexpr std::array kAlways = {kFiles,    kFileTimes, kAttributes, kWatching, kAsynchronousIo, kSockets, kMemory, kProcesses,
                                kIdentity, kSignals,   kScheduling, kLocks,    kInterProcess,   kTime,    kTracing};

constexpr std::pair<std::string_view, std::string_view> kWithCapability[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree "
     "perf_event_open "
     "quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module finit_module init_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
    {"CAP_SYS_RAWIO", "ioperm iopl"},
    {"CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};

/// The flags of clone(2) that make namespaces: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
constexpr std::uint64_t kCloneNamespaces = 0x7E020000;
/// AF_VSOCK reaches the hypervisor past every network namespace.
constexpr std::uint64_t kVsockFamily = 40;
/// personality(2): Linux, UNAME26, ADDR_NO_RANDOMIZE's neighbours that programs set, and the query.
constexpr std::uint64_t kPersonalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
constexpr int kNoSuchSyscall = 38;  // ENOSYS: the C library falls back from clone3 to clone

void append_names(json::array& names, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

json::object rule(std::string_view names_text, std::string_view action = "SCMP_ACT_ALLOW") {
  json::array names;
  append_names(names, names_text);
  return {{"names", std::move(names)}, {"action", action}};
}

json::object rule_on_argument(std::string_view name, std::string_view operation, std::uint64_t value, std::uint64_t value_two = 0) {
  json::object result = rule(name);
  result["args"] = json::array{json::object{{"index", 0}, {"value", value}, {"valueTwo", value_two}, {"op", operation}}};
  return result;
}

}  // namespace

json::object default_seccomp_profile(const std::set<std::string>& capabilities, const std::string& machine) {
  const auto holds = [&](std::string_view capability) { return capabilities.contains(std::string(capability)); };
  json::array architectures;
  std::string_view native_only;
  if (machine == "x86_64") {
    // Not x32, which Docker lists too: no distribution's kernel has it, without it libseccomp refuses its calls outright, and with it
    // building the filter takes three times as long, at each start and each exec.
    architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
    native_only = "arch_prctl modify_ldt";
  } else if (machine == "aarch64") {
    architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
    native_only = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";
  }

  json::object allowed = rule("");
  json::array& names = allowed["names"].as_array();
  for (const std::string_view group : kAlways) append_names(names, group);
  append_names(names, native_only);
  // A name stands in one unconditional rule only: some runtimes refuse a second one.
  for (const auto& [capability, calls] : kWithCapability) {
    if (!holds(capability)) continue;
    json::array more;
    append_names(more, calls);
    for (const auto& name : more) {
      bool repeated = false;
      for (const auto& known : names) repeated = repeated || known == name;
      if (!repeated) names.push_back(name);
    }
  }

  json::array rules;
  rules.push_back(std::move(allowed));
  rules.push_back(rule_on_argument("socket", "SCMP_CMP_NE", kVsockFamily));
  for (const std::uint64_t value : kPersonalities) rules.push_back(rule_on_argument("personality", "SCMP_CMP_EQ", value));
  if (!holds("CAP_SYS_ADMIN")) {
    rules.push_back(rule_on_argument("clone", "SCMP_CMP_MASKED_EQ", kCloneNamespaces));
    json::object clone3 = rule("clone3", "SCMP_ACT_ERRNO");
    clone3["errnoRet"] = kNoSuchSyscall;
    rules.push_back(std::move(clone3));
  }
  json::object profile{{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", 1}};
  if (!architectures.empty()) profile["architectures"] = std::move(architectures);
  profile["syscalls"] = std::move(rules);
  return profile;
}

}  // namespace sockerless::local
