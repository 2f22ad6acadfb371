// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/confine/confine.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace sluice::confine {
namespace {

constexpr unsigned kMostCapabilities = 64;
constexpr std::string_view kPacketThreads[] = {"rte-worker-", "sluice-kernel"};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("giving up privileges: " + what);
}

[[noreturn]] void fail_errno(const std::string& what) {
  const std::string why = std::strerror(errno);
  fail(what + " failed: " + why);
}

struct CapabilityData {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};  // 0: the calling thread
  __user_cap_data_struct data[2]{};

  static CapabilityData of(CapabilitySet set) {
    CapabilityData all;
    for (unsigned half = 0; half < 2; ++half)
      all.data[half].effective = all.data[half].permitted = static_cast<std::uint32_t>(set >> (32 * half));
    return all;
  }
};

CapabilitySet permitted_now() {
  CapabilityData now;
  if (syscall(SYS_capget, &now.header, now.data) != 0) return 0;
  return now.data[0].permitted | CapabilitySet{now.data[1].permitted} << 32;
}

CapabilitySet bounding_set() {
  CapabilitySet set = 0;
  for (unsigned i = 0; i < kMostCapabilities; ++i)
    if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) set |= CapabilitySet{1} << i;
  return set;
}

// --- in the handler of a signal: system calls only ---

struct WayBack {
  CapabilitySet keep = 0;
  bool programs_keep = false;
};

int close_one(void* argument) {
  const auto& how = *static_cast<const WayBack*>(argument);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // as root without need, else all there is
  // EPERM, without CAP_SETPCAP: then what this thread has is bounded by no_new_privs alone.
  for (unsigned i = 0; i < kMostCapabilities && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; ++i) {
    if (!(how.keep >> i & 1)) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  }
  if (!how.programs_keep) prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

struct Rest {
  CapabilityData keep;
  const Filter* filter = nullptr;  // null: none
};

int keep_one(void* argument) {
  const auto& rest = *static_cast<const Rest*>(argument);
  if (syscall(SYS_capset, &rest.keep.header, rest.keep.data) != 0) return errno;
  return rest.filter ? rest.filter->install() : 0;
}

// systemd made it for this service (RuntimeDirectory=), so it is ours to give.
bool is_runtime_directory(const std::string& directory) {
  const char* all = std::getenv("RUNTIME_DIRECTORY");
  std::istringstream in(all ? all : "");
  for (std::string one; std::getline(in, one, ':');)
    if (one == directory) return true;
  return false;
}

std::string to_sentence(const Failure& failure) {
  return "thread " + failure.thread.name + " keeps its privileges: " + failure.why;
}

}  // namespace

Confinement::Confinement(Plan plan) : plan_(std::move(plan)), had_(permitted_now()) {
  if (!plan_.user.empty()) {
    user_ = user_named(plan_.user);
    if (!user_) {
      throw std::runtime_error("control.user: there is no user \"" + plan_.user + "\"; `useradd --system " +
                               plan_.user + "` creates it");
    }
    const bool may = had_ >> CAP_SETUID & had_ >> CAP_SETGID & 1;
    if (user_->uid == geteuid())
      user_.reset();
    else if (!may)
      throw std::runtime_error("control.user: only root can become \"" + plan_.user +
                               "\"; start as root, or leave user empty");
  }
  plan_.keep &= had_;
  if (kSanitized && plan_.seccomp == config::Seccomp::kKill) plan_.seccomp = config::Seccomp::kLog;
  const std::uint32_t action = plan_.seccomp == config::Seccomp::kKill ? SECCOMP_RET_TRAP : SECCOMP_RET_LOG;
  if (plan_.filtered_before) plan_.seccomp = config::Seccomp::kOff;
  if (plan_.seccomp == config::Seccomp::kOff) return;
  if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
    why_no_filter_ = std::string("this kernel does not filter system calls: ") + std::strerror(errno);
    plan_.seccomp = config::Seccomp::kOff;
    return;
  }
  control_ = std::make_unique<Filter>(Calls::kControl, plan_.extras, plan_.seccomp);
  packets_ = std::make_unique<Filter>(Calls::kPackets, plan_.extras, plan_.seccomp);
}

std::vector<Failure> Confinement::close_the_way_back() {
  WayBack how{plan_.keep, plan_.programs_keep};
  return on_every_thread(close_one, [&](const Thread&) { return &how; });
}

// The C library does so on all threads. Those without KEEPCAPS, all but this one, lose all capabilities.
void Confinement::become_user() {
  if (!user_) return;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) fail_errno("keeping capabilities over a change of user");
  if (initgroups(user_->name.c_str(), user_->gid) != 0) fail_errno("taking the groups of " + user_->name);
  if (setresgid(user_->gid, user_->gid, user_->gid) != 0) fail_errno("taking the group of " + user_->name);
  if (setresuid(user_->uid, user_->uid, user_->uid) != 0) fail_errno("becoming " + user_->name);
  if (plan_.may_dump_core) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

std::vector<Failure> Confinement::keep_what_is_needed() {
  Rest control{CapabilityData::of(plan_.keep), control_.get()};
  Rest others{CapabilityData::of(0), control_.get()}, packets{CapabilityData::of(0), packets_.get()};
  if (plan_.seccomp == config::Seccomp::kKill) name_refused_calls();
  const auto self = static_cast<int>(syscall(SYS_gettid));
  return on_every_thread(keep_one, [&, self](const Thread& thread) {
    if (thread.id == self) return &control;
    const bool carries = std::ranges::any_of(
        kPacketThreads, [&](std::string_view prefix) { return thread.name.starts_with(prefix); });
    return carries ? &packets : &others;
  });
}

void Confinement::give_directories(Report& report) const {
  if (plan_.keep >> CAP_DAC_OVERRIDE & 1) return;
  const uid_t uid = user_ ? user_->uid : geteuid();
  const gid_t gid = user_ ? user_->gid : getegid();
  for (const std::string& directory : plan_.directories) {
    if (user_ && is_runtime_directory(directory) && chown(directory.c_str(), uid, gid) == 0) continue;
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0) continue;
    const bool writable = (status.st_mode & S_IWOTH) ||
                          (status.st_uid == uid && (status.st_mode & S_IWUSR)) ||
                          (status.st_gid == gid && (status.st_mode & S_IWGRP));
    if (!writable) {
      report.warnings.push_back("user " + name_of(uid) + " cannot write in " + directory +
                                ": at its end the process leaves its socket there, and no state to the next "
                                "one; give the directory to that user");
    }
  }
}

std::string Confinement::sentence() const {
  std::string text = "runs as user " + name_of(geteuid()) +
                     " with the capabilities: " + config::names_of(plan_.keep) + " (other threads: none)";
  // Without CAP_SETPCAP the bounding set stays wider; no_new_privs holds for all programs but root's own.
  if ((bounding_set() & ~plan_.keep) == 0) text += ", and cannot get others";
  if (plan_.filtered_before) return text + "; other system calls than its own are refused as before";
  switch (plan_.seccomp) {
    case config::Seccomp::kKill:
      return text + "; other system calls than its own end it";
    case config::Seccomp::kLog:
      return text + "; other system calls than its own are logged by the kernel";
    case config::Seccomp::kOff:
      break;
  }
  return text + "; system calls are not filtered";
}

Report Confinement::begin() {
  Report report;
  give_directories(report);
  std::vector<Failure> failures = close_the_way_back();
  become_user();
  for (Failure& failure : keep_what_is_needed()) failures.push_back(std::move(failure));
  const auto self = static_cast<int>(syscall(SYS_gettid));
  for (const Failure& failure : failures) {
    if (failure.thread.id == self) fail("thread " + failure.thread.name + ": " + failure.why);
    std::string what = to_sentence(failure);
    if (std::ranges::find(report.warnings, what) == report.warnings.end())
      report.warnings.push_back(std::move(what));
  }
  if (!why_no_filter_.empty()) report.warnings.push_back(why_no_filter_);
  report.what = sentence();
  return report;
}

void confine(Confinement& confinement) {
  const Report report = confinement.begin();
  for (const std::string& sentence : report.warnings) spdlog::warn("{}", sentence);
  spdlog::info("{}", report.what);
}

}  // namespace sluice::confine
