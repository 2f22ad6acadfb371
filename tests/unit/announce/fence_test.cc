// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The operator's command: what it is given, how it ends, and that it cannot hold anybody up.
#include "control/announce/fence.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace sluice::announce::test {
namespace {

using namespace std::chrono_literals;

struct Outcome {
  int calls = 0;
  bool ok = false;
  std::string how;
};

Outcome outcome_of(const std::vector<std::string>& command, const Fence::Environment& environment = {},
                   std::chrono::milliseconds longest = 5s) {
  boost::asio::io_context io;
  Fence fence(io, longest);
  Outcome outcome;
  fence.run(command, environment, [&](bool ok, const std::string& how) {
    outcome = {outcome.calls + 1, ok, how};
  });
  EXPECT_EQ(outcome.calls, 0) << "never before run() returns";
  io.run_for(10s);
  EXPECT_EQ(fence.running(), 0u);
  return outcome;
}

class TemporaryFile {
 public:
  TemporaryFile() { ::close(::mkstemp(path_.data())); }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_ = testing::TempDir() + "fence-XXXXXX";
};

TEST(Fence, ExitCodeZeroIsSuccess) {
  const Outcome outcome = outcome_of({"/bin/true"});
  EXPECT_EQ(outcome.calls, 1);
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.how, "ended with 0");
}

TEST(Fence, AnyOtherExitCodeIsToldAsItIs) {
  const Outcome outcome = outcome_of({"/bin/sh", "-c", "exit 7"});
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.how, "ended with 7");
}

TEST(Fence, ItsEnvironmentIsWhatWasGivenAndThePath) {
  ::setenv("A_SECRET_OF_OURS", "x", 1);
  const TemporaryFile file;
  EXPECT_TRUE(outcome_of({"/bin/sh", "-c", "/usr/bin/env | /usr/bin/sort > \"$1\"", "sh", file.path()},
                         {{"ADDRESS", "10.0.0.100"}, {"MAC", "02:00:00:00:00:01"}})
                  .ok);
  const std::string text = file.text();
  EXPECT_NE(text.find("ADDRESS=10.0.0.100\nMAC=02:00:00:00:00:01\nPATH="), std::string::npos) << text;
  EXPECT_EQ(text.find("A_SECRET_OF_OURS"), std::string::npos) << text;
}

TEST(Fence, NoShellReadsItsArguments) {
  const TemporaryFile file;
  EXPECT_FALSE(outcome_of({"/usr/bin/test", "$(touch " + file.path() + "; echo x)", "=", "x"}).ok);
}

TEST(Fence, OneThatDoesNotEndIsKilledWithAllThatItStarted) {
  const TemporaryFile file;
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = outcome_of(
      {"/bin/sh", "-c", "(/bin/sleep 2; echo late > \"$1\") & wait", "sh", file.path()}, {}, 100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.how, "was killed after 0.1 s");
}

TEST(Fence, AProgramThatIsNotThereIsToldLaterAndNotThrown) {
  const Outcome outcome = outcome_of({"/nonexistent/fence"});
  EXPECT_EQ(outcome.calls, 1);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.how, "could not be started: No such file or directory");
}

TEST(Fence, ManyAtOnceAreBounded) {
  boost::asio::io_context io;
  Fence fence(io);
  unsigned refused = 0, ended = 0;
  for (std::size_t i = 0; i < Fence::kMostAtOnce + 3; ++i) {
    fence.run({"/bin/sleep", "0.2"}, {}, [&](bool ok, const std::string&) { ++(ok ? ended : refused); });
  }
  io.run_for(10s);
  EXPECT_EQ(refused, 3u);
  EXPECT_EQ(ended, Fence::kMostAtOnce);
}

TEST(Fence, WhatStillRunsAtTheEndIsKilled) {
  boost::asio::io_context io;
  const auto begin = std::chrono::steady_clock::now();
  {
    Fence fence(io);
    fence.run({"/bin/sleep", "30"}, {}, [](bool, const std::string&) { ADD_FAILURE() << "nobody is left"; });
  }
  io.run_for(1s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

}  // namespace
}  // namespace sluice::announce::test
