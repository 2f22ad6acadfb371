// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a process and its threads still have after the start, as the kernel tells it: each case in a child.
#include "control/confine/confine.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <map>
#include <thread>

namespace sluice::confine {
namespace {

constexpr CapabilitySet kNetAdmin = CapabilitySet{1} << CAP_NET_ADMIN;

// /proc/PID/status as key -> value.
std::map<std::string, std::string> status_of(const std::filesystem::path& directory) {
  std::map<std::string, std::string> values;
  std::ifstream in(directory / "status");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(":\t");
    if (colon != std::string::npos) values[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return values;
}

CapabilitySet set_in(const std::map<std::string, std::string>& status, const std::string& key) {
  return std::stoull(status.at(key), nullptr, 16);
}

// The test of a block of statements in a child: what fails there is told on its stderr and by its end.
bool holds_in_a_child(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      _exit(holds() ? 0 : 1);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      _exit(2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::fprintf(stderr, "the child ended with status %#x\n", static_cast<unsigned>(status));
  return status == 0;
}

// A thread beside the main one while `act` runs.
bool with_a_worker(const std::function<bool()>& act) {
  std::latch here(1), end(1);
  std::thread worker([&] {
    pthread_setname_np(pthread_self(), "rte-worker-7");
    here.count_down();
    end.wait();
  });
  here.wait();
  const bool good = act();
  end.count_down();
  worker.join();
  return good;
}

bool all_threads(const std::function<bool(const std::map<std::string, std::string>&)>& hold) {
  unsigned threads = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    const auto status = status_of(entry.path());
    if (!hold(status)) {
      for (const auto& [key, value] : status) std::fprintf(stderr, "%s: %s\n", key.c_str(), value.c_str());
      return false;
    }
    ++threads;
  }
  return threads >= 2;
}

bool is_root() {
  return geteuid() == 0;
}

TEST(Confinement, HoldsForAllThreads) {
  EXPECT_TRUE(holds_in_a_child([] {
    return with_a_worker([] {
      const bool may = is_root();
      Confinement({.keep = kNetAdmin}).begin();
      return all_threads([may](const auto& status) {
        const bool main = status.at("Pid") == std::to_string(getpid());
        const CapabilitySet kept = main && may ? kNetAdmin : 0;
        return set_in(status, "CapEff") == kept && set_in(status, "CapPrm") == kept &&
               set_in(status, "CapInh") == 0 && set_in(status, "CapAmb") == 0 &&
               (!may || set_in(status, "CapBnd") == kNetAdmin) && status.at("NoNewPrivs") == "1" &&
               status.at("Seccomp") == "2";
      });
    });
  }));
}

TEST(Confinement, CanBeWithoutAFilter) {
  EXPECT_TRUE(holds_in_a_child([] {
    return with_a_worker([] {
      const Report report = Confinement({.seccomp = config::Seccomp::kOff}).begin();
      return report.what.ends_with("system calls are not filtered") &&
             all_threads([](const auto& s) { return s.at("Seccomp") == "0" && s.at("NoNewPrivs") == "1"; });
    });
  }));
}

// A program that it starts as root has nothing of what it kept, unless the plan says so.
TEST(Confinement, LeavesProgramsNothing) {
  const auto effective_of_program = [](bool programs_keep) {
    return [programs_keep] {
      Confinement({.keep = kNetAdmin, .programs_keep = programs_keep}).begin();
      FILE* said = popen("exec grep CapEff /proc/self/status", "r");
      char line[64] = {};
      if (!said || !std::fgets(line, sizeof line, said)) return false;
      pclose(said);
      const CapabilitySet expected = programs_keep && is_root() ? kNetAdmin : 0;
      return std::stoull(std::string(line).substr(8), nullptr, 16) == expected;
    };
  };
  EXPECT_TRUE(holds_in_a_child(effective_of_program(false)));
  EXPECT_TRUE(holds_in_a_child(effective_of_program(true)));
}

TEST(Confinement, BecomesAnotherUserOnAllThreads) {
  const auto nobody = user_named("nobody");
  ASSERT_TRUE(nobody);
  if (!is_root()) {
    EXPECT_THROW(Confinement({.user = "nobody"}), std::runtime_error);
    return;
  }
  EXPECT_TRUE(holds_in_a_child([&nobody] {
    return with_a_worker([&nobody] {
      Confinement({.user = "nobody", .keep = kNetAdmin}).begin();
      const std::string uid = std::to_string(nobody->uid);
      return geteuid() == nobody->uid && all_threads([&uid](const auto& status) {
               const bool main = status.at("Pid") == std::to_string(getpid());
               return status.at("Uid") == uid + '\t' + uid + '\t' + uid + '\t' + uid &&
                      set_in(status, "CapEff") == (main ? kNetAdmin : 0);
             });
    });
  }));
}

TEST(Confinement, OfAUserThatIsNotThereDoesNotBegin) {
  try {
    const Confinement confinement({.user = "no-such-user"});
    FAIL() << "it began";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(
        error.what(),
        "control.user: there is no user \"no-such-user\"; `useradd --system no-such-user` creates it");
  }
}

TEST(Users, AreFoundByNameAndNumber) {
  EXPECT_EQ(user_named("root")->uid, 0u);
  EXPECT_EQ(user_named("0")->name, "root");
  EXPECT_FALSE(user_named("no-such-user"));
  EXPECT_EQ(name_of(0), "root");
}

}  // namespace
}  // namespace sluice::confine
