// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/interactive.h"

#include <histedit.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace sluice::ctl {
namespace {

constexpr int kHistoryLines = 1000;

char* prompt(EditLine*) {
  static char text[] = "sluice> ";
  return text;
}

std::string up_to_cursor(EditLine* edit) {
  const LineInfo* info = el_line(edit);
  return {info->buffer, info->cursor};
}

std::vector<Proposal> propose(EditLine* edit, const std::string& line) {
  void* user = nullptr;
  el_get(edit, EL_CLIENTDATA, &user);
  return proposals(line, [user](Live kind, const std::string& service) {
    return static_cast<Operator*>(user)->live_names(kind, service);
  });
}

void print(const std::string& text) {
  std::fputs(("\n" + text).c_str(), stdout);
  std::fflush(stdout);
}

unsigned char on_tab(EditLine* edit, int) {
  const std::string line = up_to_cursor(edit);
  const std::vector<Proposal> list = propose(edit, line);
  const std::string more = completion(line, list);
  if (!more.empty()) return el_insertstr(edit, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  if (list.empty()) return CC_ERROR;
  print(explanation(list));
  return CC_REDISPLAY;
}

unsigned char on_question(EditLine* edit, int) {
  print(explanation(propose(edit, up_to_cursor(edit))));
  return CC_REDISPLAY;
}

// Ctrl-C throws the line away, not the conversation. It arrives as a key, not as a signal: see Terminal.
unsigned char on_cancel(EditLine* edit, int) {
  const LineInfo* info = el_line(edit);
  const int length = static_cast<int>(info->lastchar - info->buffer);
  el_cursor(edit, static_cast<int>(info->lastchar - info->cursor));
  el_deletestr(edit, length);
  print("");
  return CC_REDISPLAY;
}

struct Ending {
  void operator()(EditLine* edit) const { el_end(edit); }
  void operator()(History* history) const { history_end(history); }
};

class Terminal {
 public:
  explicit Terminal(Operator& user)
      : history_(history_init()), edit_(el_init("sluicectl", stdin, stdout, stderr)) {
    if (const char* home = std::getenv("HOME"); home && *home)
      file_ = std::string(home) + "/.sluicectl_history";
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, kHistoryLines);
    history(history_.get(), &event, H_SETUNIQUE, 1);
    if (!file_.empty()) history(history_.get(), &event, H_LOAD, file_.c_str());
    EditLine* edit = edit_.get();
    el_set(edit, EL_CLIENTDATA, &user);
    el_set(edit, EL_PROMPT, prompt);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SIGNAL, 1);
    el_set(edit, EL_HIST, history, history_.get());
    el_set(edit, EL_ADDFN, "sluice-complete", "completes the word", on_tab);
    el_set(edit, EL_ADDFN, "sluice-explain", "says what may follow", on_question);
    el_set(edit, EL_ADDFN, "sluice-cancel", "throws the line away", on_cancel);
    el_source(edit, nullptr);
    // While a line is edited Ctrl-C is a key; while a command runs it ends the program, as a stuck one must
    // end.
    el_set(edit, EL_SETTY, "-d", "-isig", nullptr);
    el_set(edit, EL_BIND, "\x03", "sluice-cancel", nullptr);
    el_set(edit, EL_BIND, "\t", "sluice-complete", nullptr);
    el_set(edit, EL_BIND, "?", "sluice-explain", nullptr);
  }

  // False at the end of input.
  bool read(std::string& line) {
    int count = 0;
    const char* text = el_gets(edit_.get(), &count);
    if (!text || count <= 0) return false;
    line = text;
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    return true;
  }

  void remember(const std::string& line) {
    HistEvent event;
    history(history_.get(), &event, H_ENTER, line.c_str());
    if (!file_.empty()) history(history_.get(), &event, H_SAVE, file_.c_str());
  }

 private:
  std::unique_ptr<History, Ending> history_;
  std::unique_ptr<EditLine, Ending> edit_;
  std::string file_;
};

}  // namespace

int interactive(Operator& user) {
  if (!::isatty(STDIN_FILENO)) return user.execute_all(std::cin);
  std::cout << "Tab completes, ? explains, exit leaves." << std::endl;
  Terminal terminal(user);
  bool leave = false;
  for (std::string line; !leave;) {
    if (!terminal.read(line)) {
      std::cout << std::endl;
      break;
    }
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    terminal.remember(line);
    user.execute_line(line, true, leave);
  }
  return kDone;
}

}  // namespace sluice::ctl
