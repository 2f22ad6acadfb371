// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/confine/filter.h"

#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "control/confine/calls.h"

namespace sluice::confine {
namespace {

// On kernels before 5.16 a filter without this one slows every load that follows a store (SSBD).
constexpr unsigned kNoSlowdown = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
constexpr std::uint64_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr int kMostCalls = 512;

std::array<const char*, kMostCalls> names;  // by number; written once, before the handler is there

void check(int result, const std::string& what) {
  if (result < 0) throw std::runtime_error("seccomp: " + what + " failed: " + std::strerror(-result));
}

struct Context {
  explicit Context(std::uint32_t action) : filter(seccomp_init(action)) {
    if (!filter) throw std::runtime_error("seccomp: no memory for a filter");
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "choosing a binary tree");
  }
  ~Context() { seccomp_release(filter); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // A name that this machine's architecture does not have is no loss.
  void allow(std::string_view name) {
    const int number = seccomp_syscall_resolve_name(std::string(name).c_str());
    if (number == __NR_SCMP_ERROR)
      throw std::logic_error("seccomp: no system call \"" + std::string(name) + '"');
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0), "allowing " + std::string(name));
  }

  void allow_families(std::initializer_list<int> families) {
    for (const int family : families) {
      const scmp_arg_cmp is_it{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0};
      check(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &is_it), "allowing a socket");
    }
  }

  scmp_filter_ctx filter;
};

std::vector<sock_filter> compile(const Context& context) {
  const int fd = memfd_create("seccomp", MFD_CLOEXEC);
  check(fd < 0 ? -errno : fd, "making a file for the program");
  const int exported = seccomp_export_bpf(context.filter, fd);
  const off_t bytes = lseek(fd, 0, SEEK_END);
  std::vector<sock_filter> program(bytes > 0 ? static_cast<std::size_t>(bytes) / sizeof(sock_filter) : 0);
  const ssize_t read_bytes = pread(fd, program.data(), program.size() * sizeof(sock_filter), 0);
  close(fd);
  check(exported, "writing the program");
  if (read_bytes != bytes || program.empty()) throw std::runtime_error("seccomp: the program is cut short");
  return program;
}

void allow_control(Context& context, const Extras& extras) {
  for (const std::string_view name : kControlCalls) context.allow(name);
  context.allow_families({AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET});
  if (extras.xdp) context.allow_families({AF_XDP});
  if (extras.bpf) context.allow("bpf");
  // Threads and processes, but no namespaces. clone3 has its flags where no filter sees them: the C library
  // takes clone when it is not there.
  const scmp_arg_cmp no_namespaces{0, SCMP_CMP_MASKED_EQ, kNewNamespaces, 0};
  check(seccomp_rule_add_array(context.filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &no_namespaces),
        "allowing clone");
  check(seccomp_rule_add(context.filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "hiding clone3");
}

void say(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

// Only what may be called in a handler.
void refuse(int signal, siginfo_t* info, void*) {
  char digits[12] = {};
  unsigned number = static_cast<unsigned>(info->si_syscall);
  const char* name = number < kMostCalls ? names[number] : nullptr;
  if (!name) {
    char* at = digits + sizeof digits - 1;
    do *--at = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    name = at;
  }
  say("critical the system call ");
  say(name);
  say(" is not on the list of this thread (control.seccomp): the process ends\n");
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  syscall(SYS_tgkill, getpid(), static_cast<pid_t>(syscall(SYS_gettid)), signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  _exit(EXIT_FAILURE);
}

}  // namespace

Filter::Filter(Calls calls, const Extras& extras, config::Seccomp what_follows) {
  if (what_follows == config::Seccomp::kOff) return;
  Context context(what_follows == config::Seccomp::kKill ? SCMP_ACT_TRAP : SCMP_ACT_LOG);
  for (const std::string_view name : kPacketCalls) context.allow(name);
  if (calls == Calls::kControl) allow_control(context, extras);
  program_ = compile(context);
}

int Filter::install() const noexcept {
  const sock_fprog program{static_cast<unsigned short>(program_.size()),
                           const_cast<sock_filter*>(program_.data())};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kNoSlowdown, &program);
  return result == 0 ? 0 : errno;
}

void name_refused_calls() {
  for (int i = 0; i < kMostCalls; ++i) {
    if (!names[static_cast<std::size_t>(i)])
      names[static_cast<std::size_t>(i)] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
  }
  struct sigaction action {};
  action.sa_sigaction = refuse;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
}

}  // namespace sluice::confine
