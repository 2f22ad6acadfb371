// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the filters let pass, and what becomes of the rest: each case in a child of its own, which may die of
// it.
#include "control/confine/filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

namespace sluice::confine {
namespace {

using config::Seccomp;
using Act = std::function<bool()>;

constexpr int kRefused = 64;  // exit status of a child that could not be confined

// How a child ends that installs the filter and then does this: 0 where it answers true.
int end_of(const Filter& filter, const Act& act) {
  const pid_t child = fork();
  if (child == 0) {
    name_refused_calls();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || filter.install() != 0) _exit(kRefused);
    _exit(act() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

bool dies_of_it(Calls calls, const Act& act, const Extras& extras = {}) {
  const int status = end_of(Filter(calls, extras, Seccomp::kKill), act);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

bool passes(Calls calls, const Act& act, const Extras& extras = {}) {
  const int status = end_of(Filter(calls, extras, Seccomp::kKill), act);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// What the kernel itself says to it is not the filter's.
bool opens(int family, int type) {
  return socket(family, type, 0) >= 0 || errno != ENOSYS;
}
bool opens_udp() {
  return opens(AF_INET, SOCK_DGRAM);
}
bool reads_a_file() {
  return open("/proc/self/stat", O_RDONLY) >= 0;
}
bool maps_memory() {
  std::free(std::malloc(8u << 20));
  return clock() >= 0 && getpid() > 0;
}
bool runs_true() {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", nullptr);
    _exit(2);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}
bool starts_a_thread() {
  bool ran = false;
  std::thread([&] { ran = true; }).join();
  return ran;
}
bool asks_for_bpf() {
  bpf_attr nothing{};
  return syscall(SYS_bpf, BPF_MAP_CREATE, &nothing, sizeof nothing) < 0;
}

TEST(Filter, OfPacketThreadsLetsMemoryAndClocksPass) {
  EXPECT_TRUE(passes(Calls::kPackets, maps_memory));
}

TEST(Filter, OfPacketThreadsLetsNoFileSocketOrProgramPass) {
  EXPECT_TRUE(dies_of_it(Calls::kPackets, opens_udp));
  EXPECT_TRUE(dies_of_it(Calls::kPackets, reads_a_file));
  EXPECT_TRUE(dies_of_it(Calls::kPackets, runs_true));
}

TEST(Filter, OfControlLetsFilesSocketsThreadsAndProgramsPass) {
  for (const Act& act : {Act(opens_udp), Act(reads_a_file), Act(runs_true), Act(starts_a_thread)})
    EXPECT_TRUE(passes(Calls::kControl, act));
  for (const int family : {AF_UNIX, AF_INET6, AF_NETLINK, AF_PACKET})
    EXPECT_TRUE(passes(Calls::kControl, [family] { return opens(family, SOCK_RAW); })) << family;
}

TEST(Filter, OfControlLetsNothingPassThatChangesTheMachineOrOthers) {
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return mount("a", "/b", "tmpfs", 0, nullptr) != 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return unshare(CLONE_NEWUSER) == 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return chroot("/proc") != 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return syscall(SYS_init_module, nullptr, 0, "") != 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return syscall(SYS_io_uring_setup, 1, nullptr) != 0; }));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0; }));
}

TEST(Filter, OfControlHasNoWayToNewNamespaces) {
  const auto cloned = [] { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr) < 0; };
  EXPECT_TRUE(dies_of_it(Calls::kControl, cloned));
  EXPECT_TRUE(passes(Calls::kControl, [] { return syscall(SYS_clone3, nullptr, 0) < 0 && errno == ENOSYS; }));
}

TEST(Filter, LetsBpfAndXdpPassWhereAConfigurationHasThem) {
  EXPECT_TRUE(dies_of_it(Calls::kControl, asks_for_bpf));
  EXPECT_TRUE(passes(Calls::kControl, asks_for_bpf, {.bpf = true}));
  EXPECT_TRUE(dies_of_it(Calls::kControl, [] { return opens(AF_XDP, SOCK_RAW); }));
  EXPECT_TRUE(passes(Calls::kControl, [] { return opens(AF_XDP, SOCK_RAW); }, {.xdp = true}));
}

// A program that such a process starts is no way out.
TEST(Filter, IsInheritedByPrograms) {
  const auto unshares = [] {
    const pid_t child = fork();
    if (child == 0) {
      execl("/usr/bin/unshare", "unshare", "--user", "/bin/true", nullptr);
      _exit(2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
  };
  EXPECT_TRUE(passes(Calls::kControl, unshares));
}

TEST(Filter, ThatOnlyLogsRefusesNothing) {
  const int status = end_of(Filter(Calls::kPackets, {}, Seccomp::kLog), opens_udp);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Filter, ThatIsOffIsEmpty) {
  EXPECT_TRUE(Filter(Calls::kControl, {}, Seccomp::kOff).empty());
  EXPECT_FALSE(Filter(Calls::kControl, {}, Seccomp::kKill).empty());
}

TEST(Filter, NamesTheCallThatEndsTheProcess) {
  const auto install_and_mount = [] {
    name_refused_calls();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (Filter(Calls::kControl, {}, Seccomp::kKill).install() == 0) mount("a", "/b", "tmpfs", 0, nullptr);
  };
  EXPECT_EXIT(install_and_mount(), testing::KilledBySignal(SIGSYS),
              "the system call mount is not on the list");
}

}  // namespace
}  // namespace sluice::confine
