// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The system calls of Sluice, by what they are for. The second list is added to the first. A call that is
// missing here ends the process, so families are whole: with `stat` its newer forms, for the C library of
// tomorrow. What is not here on purpose: whatever mounts, traces or enters other processes, loads code into
// the kernel, changes clocks, keys, quotas or swap, opens files by handle, or has an interface of its own
// that no filter sees into (io_uring). `bpf`, `socket` and `clone` have conditions (filter.cc).
#pragma once

#include <string_view>

namespace sluice::confine {

// ioctl: drivers that share their device with the kernel (mlx5) register memory by it.
inline constexpr std::string_view kPacketCalls[] = {
    // waiting, and files, sockets and eventfds that are open already
    "poll", "ppoll", "epoll_wait", "epoll_pwait", "read", "write", "readv", "writev", "pread64", "pwrite64",
    "lseek", "fstat", "newfstatat", "close", "ioctl", "fsync", "ftruncate", "sendto", "sendmsg", "sendmmsg",
    "recvfrom", "recvmsg", "recvmmsg", "getsockopt",
    // memory
    "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "mbind", "get_mempolicy", "membarrier",
    // time and the scheduler
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "sched_yield",
    "sched_getaffinity", "getcpu",
    // a thread's own life
    "futex", "rseq", "set_robust_list", "get_robust_list", "sigaltstack", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "restart_syscall", "getpid", "gettid", "tgkill", "getrandom", "prctl", "exit",
    "exit_group"};

inline constexpr std::string_view kControlCalls[] = {
    // files
    "open", "openat", "openat2", "creat", "close_range", "access", "faccessat", "faccessat2", "stat", "lstat",
    "statx", "statfs", "fstatfs", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "chdir",
    "fchdir", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat", "chown", "lchown", "fchown",
    "fchownat", "umask", "utime", "utimes", "utimensat", "futimesat", "truncate", "fallocate", "fadvise64",
    "readahead", "flock", "fcntl", "dup", "dup2", "dup3", "pipe", "pipe2", "splice", "tee", "vmsplice",
    "sendfile", "copy_file_range", "preadv", "preadv2", "pwritev", "pwritev2", "sync", "syncfs", "fdatasync",
    "sync_file_range", "msync", "mincore", "mlock", "mlock2", "munlock", "mlockall", "munlockall",
    "memfd_create", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr",
    "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "name_to_handle_at",
    // waiting
    "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait2", "eventfd", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4", "pause", "alarm",
    "getitimer", "setitimer", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun",
    "timer_delete", "times",
    // sockets
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "setsockopt", "shutdown",
    // processes: the fence_command, hooks, and what these start
    "vfork", "fork", "execve", "execveat", "wait4", "waitid", "kill", "tkill", "pidfd_open",
    "pidfd_send_signal", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "set_tid_address", "arch_prctl", "getppid", "getpgid", "getpgrp", "setpgid",
    "setsid", "getsid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
    "capget", "capset", "seccomp", "personality", "getpriority", "setpriority", "ioprio_get", "ioprio_set",
    // the scheduler, limits, and what the machine says of itself
    "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_setscheduler", "sched_setparam",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getattr", "getrlimit", "setrlimit",
    "prlimit64", "getrusage", "uname", "sysinfo", "set_mempolicy"};

}  // namespace sluice::confine
