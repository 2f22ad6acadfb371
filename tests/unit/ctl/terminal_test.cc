// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The conversation on a pseudo terminal: a child is sluicectl, the test is the person at the keys.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <utility>

#include "control/ctl/interactive.h"
#include "tests/unit/ctl/fixture.h"

namespace sluice::ctl {
namespace {

class TerminalTest : public CtlTest {
 protected:
  ~TerminalTest() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    if (keys_ >= 0) ::close(keys_);
  }

  // Starts sluicectl with these arguments; HOME is the test's directory.
  void open(std::vector<std::string> words = {}) {
    listen();
    words.insert(words.begin(), {"--socket", socket});
    const winsize size{.ws_row = 24, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    child_ = ::forkpty(&keys_, nullptr, nullptr, &size);
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      ::setenv("HOME", directory.c_str(), 1);
      ::setenv("TERM", "xterm", 1);
      ::_exit(run(words, std::cout, std::cerr, interactive));
    }
    serve();
  }

  void type(const std::string& text) const {
    ASSERT_EQ(::write(keys_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Reads on until `text` was seen, within 20 s; what came is then forgotten.
  testing::AssertionResult see(const std::string& text) {
    for (;;) {
      const auto at = screen_.find(text);
      if (at != std::string::npos) {
        screen_.erase(0, at + text.size());
        return testing::AssertionSuccess();
      }
      pollfd entry{keys_, POLLIN, 0};
      char buffer[4096];
      const ssize_t n = ::poll(&entry, 1, 20'000) > 0 ? ::read(keys_, buffer, sizeof buffer) : 0;
      if (n <= 0) return testing::AssertionFailure() << "no \"" << text << "\" in: " << screen_;
      screen_.append(buffer, static_cast<std::size_t>(n));
    }
  }

  // The exit status once the program ended; reads what it still prints, or it could not end. -1 when it goes
  // on for 20 s.
  int status() {
    char buffer[4096];
    ssize_t n = 0;
    do {
      pollfd entry{keys_, POLLIN, 0};
      if (::poll(&entry, 1, 20'000) <= 0) return -1;
      n = ::read(keys_, buffer, sizeof buffer);
      if (n > 0) screen_.append(buffer, static_cast<std::size_t>(n));
    } while (n > 0);
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  int keys_ = -1;
  pid_t child_ = -1;
  std::string screen_;
};

TEST_F(TerminalTest, ACommandIsAnsweredAtThePrompt) {
  open();
  EXPECT_TRUE(see("Tab completes, ? explains, exit leaves."));
  EXPECT_TRUE(see("sluice> "));
  type("status\n");
  EXPECT_TRUE(see("uptime   2 h 5 min"));
  type("dr l\n");
  EXPECT_TRUE(see("nothing was dropped"));
  type("exit\n");
  EXPECT_EQ(status(), kDone);
}

TEST_F(TerminalTest, TabCompletesWordsAndLiveNames) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("dip we\tw\t10.2\t7\n");
  EXPECT_TRUE(see("done"));
  type("exit\n");
  EXPECT_EQ(status(), kDone);
  stop();
  EXPECT_EQ(asked, std::vector<std::string>{R"({"address":"10.2.0.12","service":"web","weight":7})"});
}

TEST_F(TerminalTest, TabShowsAChoiceAndKeepsTheLine) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("dip weight web 10.\t");
  EXPECT_TRUE(see("dip weight web 10."));
  type("\t");
  EXPECT_TRUE(see("10.1.0.11  ADDRESS: the server"));
  EXPECT_TRUE(see("dip weight web 10."));
  type("1\t3\n");
  EXPECT_TRUE(see("done"));
  type("exit\n");
  EXPECT_EQ(status(), kDone);
}

TEST_F(TerminalTest, AQuestionMarkExplainsAtOnce) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("transition ?");
  EXPECT_TRUE(see("Goes back to the old map"));
  EXPECT_TRUE(see("sluice> transition "));
  type(
      "\x15"
      "exit\n");  // Ctrl-U clears the line
  EXPECT_EQ(status(), kDone);
}

TEST_F(TerminalTest, CtrlCThrowsTheLineAwayButNotTheConversation) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("dr\t");
  EXPECT_TRUE(see("op ")) << "completed, so the keys are read one by one now";
  type("\x03");
  EXPECT_TRUE(see("sluice> "));
  type("drop list\n");
  EXPECT_TRUE(see("nothing was dropped"));
  type("quit\n");
  EXPECT_EQ(status(), kDone);
}

TEST_F(TerminalTest, CtrlDOnAnEmptyLineLeaves) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("dr\t");
  EXPECT_TRUE(see("op ")) << "completed, so the keys are read one by one now";
  type("\x15\x04");  // Ctrl-U clears the line
  EXPECT_EQ(status(), kDone);
}

TEST_F(TerminalTest, HistoryIsKeptForTheOwnerOnly) {
  open();
  EXPECT_TRUE(see("sluice> "));
  type("drop list\nexit\n");
  EXPECT_EQ(status(), kDone);
  const std::string file = directory + "/.sluicectl_history";
  struct stat entry {};
  ASSERT_EQ(::stat(file.c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0600U);
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_NE(text.find("drop\\040list\n"), std::string::npos) << text;
}

TEST_F(TerminalTest, TopRedrawsUntilQ) {
  open({"top"});
  EXPECT_TRUE(see("\x1b[?1049h")) << "on the alternate screen";
  EXPECT_TRUE(see("SERVICES"));
  EXPECT_TRUE(see("\x1b[H")) << "a second frame";
  EXPECT_TRUE(see("SERVERS"));
  type("q");
  EXPECT_TRUE(see("\x1b[?1049l")) << "which is left as it was";
  EXPECT_EQ(status(), kDone);
}

}  // namespace
}  // namespace sluice::ctl
