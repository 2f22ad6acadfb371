// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <istream>
#include <ostream>
#include <set>
#include <utility>

#include "control/ctl/help.h"
#include "control/ctl/render.h"
#include "control/ctl/top.h"
#include "control/rpc/names.h"

namespace sluice::ctl {
namespace {

using nlohmann::json;

std::string document(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

int status_of(const CallError& error) {
  return error.code() == rpc::kBadConfiguration ? kWrongUsage : kFailed;
}

// What a call hears from; the names under `key` in the rows of a list.
std::vector<std::string> names_in(const json& rows, const char* key) {
  std::set<std::string> names;
  if (!rows.is_array()) return {};
  for (const json& row : rows) {
    if (row.is_object() && row.contains(key) && row[key].is_string()) names.insert(harmless(row[key]));
  }
  return {names.begin(), names.end()};
}

}  // namespace

Operator::Operator(std::string socket, bool json, std::ostream& out, std::ostream& err)
    : client_(std::move(socket)), json_(json), out_(out), err_(err) {}

int Operator::fail(int status, const std::string& sentence) {
  err_ << "sluicectl: " << harmless(sentence) << std::endl;
  return status;
}

int Operator::execute(const Invocation& invocation) {
  const bool as_json = json_ || invocation.json;
  switch (invocation.action) {
    case Action::kHelp:
      out_ << help(invocation.object, invocation.command);
      break;
    case Action::kVersion:
      out_ << "sluicectl " << SLUICE_VERSION << "\n";
      break;
    case Action::kMarkdown:
      out_ << markdown();
      break;
    case Action::kMan:
      out_ << man_page();
      break;
    case Action::kInteractive:
      return kDone;
    case Action::kRun:
      try {
        const Command& command = *invocation.command;
        if (command.view.form == Form::kTop) return top(client_, as_json, out_);
        const json result = client_.call(command.method, invocation.params);
        out_ << (as_json ? document(result) : render(command.view, result));
      } catch (const CallError& error) {
        return fail(status_of(error), error.what());
      } catch (const ConnectError& error) {
        return fail(kFailed, error.what());
      }
      break;
  }
  out_.flush();
  return out_ ? kDone : fail(kFailed, "the output cannot be written");
}

int Operator::execute_line(const std::string& line, bool abbreviated, bool& leave) {
  try {
    const std::size_t last = line.find_last_not_of(" \t\r");
    if (last != std::string::npos && line[last] == '?') {
      const auto live = [this](Live kind, const std::string& service) { return live_names(kind, service); };
      out_ << explanation(proposals(line.substr(0, last), live));
      return kDone;
    }
    std::vector<std::string> words = split_words(line);
    if (words.empty() || words[0].starts_with("#")) return kDone;
    if (words[0] == "exit" || words[0] == "quit") {
      leave = true;
      return kDone;
    }
    if (words[0] == "help") {
      words.erase(words.begin());
      words.push_back("--help");
    }
    const Invocation invocation = parse_arguments(abbreviated ? expanded(words) : words);
    if (!invocation.socket.empty()) throw UsageError("--socket belongs to the program's own arguments");
    return execute(invocation);
  } catch (const UsageError& error) {
    return fail(kWrongUsage, error.what());
  }
}

int Operator::execute_all(std::istream& in) {
  int worst = kDone;
  bool leave = false;
  for (std::string line; !leave && std::getline(in, line);) {
    worst = std::max(worst, execute_line(line, false, leave));
  }
  return worst;
}

std::vector<std::string> Operator::live_names(Live kind, const std::string& service) {
  Client quick(client_.path(), std::chrono::seconds(1));
  try {
    if (kind == Live::kService) return names_in(quick.call("service.list"), "name");
    json params = json::object();
    if (!service.empty()) params["service"] = service;
    return names_in(quick.call("dip.list", params), "address");
  } catch (const std::runtime_error&) {
    return {};  // whoever presses Tab wants no error; the command will say it
  }
}

std::string socket_path(const std::string& given) {
  if (!given.empty()) return given;
  const char* environment = std::getenv("SLUICE_SOCKET");
  return environment && *environment ? environment : rpc::kDefaultSocket;
}

int run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err,
        const std::function<int(Operator&)>& interactive) {
  Invocation invocation;
  try {
    invocation = parse_arguments(words);
  } catch (const UsageError& error) {
    err << "sluicectl: " << harmless(error.what()) << std::endl;
    return kWrongUsage;
  }
  Operator operator_(socket_path(invocation.socket), invocation.json, out, err);
  return invocation.action == Action::kInteractive ? interactive(operator_) : operator_.execute(invocation);
}

}  // namespace sluice::ctl
