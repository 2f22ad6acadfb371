// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The operator's hook: arguments and environment, order, its bound in time, and programs that are none.
#include "control/agent/hooks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::agent::test {
namespace {

class HooksTest : public testing::Test {
 protected:
  HooksTest() {
    std::string name = std::filesystem::temp_directory_path() / "sluice-hooks-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~HooksTest() override { std::filesystem::remove_all(directory_); }

  // A shell script as the hook; $OUT is a file that said() reads.
  std::vector<std::string> script(const std::string& text) {
    const std::filesystem::path path = directory_ / "hook";
    std::ofstream(path) << "#!/bin/sh\nOUT=" << out().string() << "\n" << text << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return {path.string()};
  }
  std::filesystem::path out() const { return directory_ / "out"; }
  std::string said() const {
    std::ostringstream text;
    text << std::ifstream(out()).rdbuf();
    return text.str();
  }

  boost::asio::io_context io_{1};
  std::filesystem::path directory_;
};

TEST_F(HooksTest, GetTheirArgumentsTheEventAndWhatItIsAbout) {
  setenv("SLUICE_VIP", "of somebody else", 1);
  std::vector<std::string> program = script(R"(echo "$1 $2 $# $SLUICE_VIP" >> "$OUT")");
  program.push_back("a b; exit");
  Hooks hooks(io_, program, std::chrono::seconds(30));
  hooks.run("draining", {"SLUICE_VIP=203.0.113.10"});
  EXPECT_EQ(hooks.last(), "running");
  io_.run();
  unsetenv("SLUICE_VIP");
  EXPECT_EQ(said(), "a b; exit draining 2 203.0.113.10\n") << "no shell took the argument apart";
  EXPECT_EQ(hooks.last(), "done");
}

TEST_F(HooksTest, RunOneAtATimeInTheirOrder) {
  Hooks hooks(
      io_,
      script(
          R"([ -e "$OUT.busy" ] && echo overlap >> "$OUT"; : > "$OUT.busy"; echo "$1" >> "$OUT"; rm "$OUT.busy")"),
      std::chrono::seconds(30));
  int idle = 0;
  hooks.when_idle([&] { ++idle; });
  for (const char* event : {"draining", "alive", "draining"}) hooks.run(event);
  io_.run();
  EXPECT_EQ(said(), "draining\nalive\ndraining\n");
  EXPECT_EQ(idle, 1);
  EXPECT_FALSE(hooks.busy());
}

TEST_F(HooksTest, ThatTakeTooLongAreKilledWithAllTheyStarted) {
  Hooks hooks(io_, script(R"(sleep 1000 & echo "$!" >> "$OUT"; wait)"), std::chrono::seconds(1));
  hooks.run("draining");
  io_.run();
  EXPECT_EQ(hooks.last(), "killed after 1 s");
  const pid_t child = std::stoi(said());
  // Killed at the same moment, and reaped by whoever reaps orphans here.
  for (int n = 0; n < 100 && std::filesystem::exists("/proc/" + std::to_string(child)); ++n) usleep(10'000);
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  std::string pid, name, state;
  stat >> pid >> name >> state;
  EXPECT_TRUE(!stat || state == "Z") << state;
}

TEST_F(HooksTest, ThatFailSayHow) {
  Hooks hooks(io_, script("exit 3"), std::chrono::seconds(30));
  hooks.run("draining");
  io_.run();
  EXPECT_EQ(hooks.last(), "exit code 3");
}

TEST_F(HooksTest, ThatAreNoProgramSaySo) {
  Hooks hooks(io_, {"/nonexistent/hook"}, std::chrono::seconds(30));
  hooks.run("draining");
  io_.run();
  EXPECT_EQ(hooks.last(), "cannot run: No such file or directory");
}

TEST_F(HooksTest, HaveABoundOnWhatWaits) {
  Hooks hooks(io_, script(R"(echo x >> "$OUT")"), std::chrono::seconds(30));
  for (std::size_t n = 0; n < Hooks::kMostWaiting + 10; ++n) hooks.run("draining");
  io_.run();
  const std::string lines = said();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), static_cast<long>(Hooks::kMostWaiting) + 1);
}

TEST_F(HooksTest, WithoutAProgramRunNothing) {
  Hooks hooks(io_, {}, std::chrono::seconds(30));
  hooks.run("draining");
  EXPECT_FALSE(hooks.busy());
  EXPECT_EQ(hooks.last(), "none");
}

}  // namespace
}  // namespace sluice::agent::test
