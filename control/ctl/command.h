// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The one table of what can be typed. Parsing, --help, completion, the interactive `?`, the man page and the
// command reference all read it, so none can tell a different story. A new command is a new row here and a
// method on the server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::ctl {

// How an argument is written, and how it travels: as a string unless the comment says otherwise.
enum class Kind {
  kText,
  kInteger,   // as a number
  kFile,      // made absolute, since the server has another working directory
  kAddress,   // IPv4 or IPv6, with a port as 10.1.0.1:8080 or [2001:db8::1]:8080
  kPrefix,    // an address, or one with /LENGTH
  kEndpoint,  // address and port
  kDip,       // ADDRESS[:PORT][*WEIGHT]; repeatable, as [{address, port, weight}]
  kFlag,      // takes no value; as true
};

// What the running server can propose for an argument.
enum class Live { kNone, kService, kDip };

struct Argument {
  std::string key = {};     // the JSON parameter
  std::string shown = {};   // the placeholder in help: SERVICE, N
  std::string option = {};  // "--weight"; "" for a positional argument
  Kind kind = Kind::kText;
  bool required = true;  // options are asked for by name, so most of them set this to false
  std::string help = {};
  std::vector<std::string> choices = {};  // proposed and described; the server is the judge
  Live live = Live::kNone;
};

enum class Form {
  kTable,   // an array of objects: one line each, the keys of View in order
  kRecord,  // an object: its keys in lines, those of View first
  kText,    // a string, or an object that has one under "text": as it is
  kDone,    // a change: nothing to show but what the server returns
  kTop,     // the live screen
};

struct View {
  Form form = Form::kDone;
  std::vector<std::string> keys = {};
  std::string empty = {};    // what is said in place of a table without lines
  std::string counted = {};  // lines in which this counter is 0 are left out for people
};

struct Command {
  std::string object;
  std::string verb = {};  // "" when the object alone is the command
  std::vector<Argument> arguments = {};
  std::string help = {};
  std::string method = {};  // of JSON-RPC; "" when the command asks several
  View view = {};
};

// In the order of the reference.
const std::vector<Command>& commands();

// Nothing when there is no such command; `verb` is "" for the objects that stand alone.
const Command* find_command(std::string_view object, std::string_view verb);

std::vector<std::string> objects();
std::vector<std::string> verbs_of(std::string_view object);  // empty for an object that stands alone

// "dip add", "status".
std::string name_of(const Command& command);

// "dip add SERVICE ADDRESS [--group G] [--weight N]".
std::string synopsis(const Command& command);

}  // namespace sluice::ctl
