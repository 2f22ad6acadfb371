// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// A table of methods. Control registers what it can do (`dip.add`, `port.list`, ...) with the parameters that
// each takes; the router turns one line of JSON-RPC 2.0 into one checked call and one line of answer. It
// knows no sockets: server.h feeds it. A handler sees only parameters that exist, have the right type and
// range, and come from somebody who may.
//
//   router.add({.name = "dip.weight", .access = Access::kChange,
//               .parameters = {{.name = "service", .required = true, .help = "its name"},
//                              {.name = "address", .required = true, .help = "the server"},
//                              {.name = "weight", .type = Type::kInteger, .required = true, .minimum = 0}},
//               .help = "Changes how many slots a server holds.",
//               .handler = [&](const nlohmann::json& params) -> nlohmann::json { ... }});
//
// Everything here belongs to the control thread (the one that runs the io_context).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "control/rpc/names.h"

namespace sluice::rpc {

// What a handler throws when it does not do what was asked: one sentence that says what, and what would be
// right. Error{"no service named \"wbe\"; ..."} carries kFailed.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& sentence) : Error(kFailed, sentence) {}
  Error(int code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

enum class Access { kRead, kChange };

enum class Type { kString, kInteger, kNumber, kBoolean, kArray, kObject, kAny };

struct Parameter {
  std::string name;
  Type type = Type::kString;
  bool required = false;
  std::string help = {};
  std::optional<std::int64_t> minimum = {};  // of an integer
  std::optional<std::int64_t> maximum = {};
  std::vector<std::string> choices = {};  // of a string; empty: any
};

// Who asks, and how much they can take. The server fills it in from the kernel's word about the other end of
// the socket and from its limits.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  bool may_change = false;
  std::size_t max_answer_bytes = 16 * 1024 * 1024;  // a longer answer becomes kTooLarge
};

// The way back of a handler that answers later (see Method::later). Copies share one answer: the first call
// counts, the rest do nothing. If every copy dies unanswered the caller gets kInternal, so that none waits
// for ever. Call it on the control thread only.
class Reply {
 public:
  using Done = std::function<void(const nlohmann::json* result, const Error* error)>;
  explicit Reply(Done done);
  void result(const nlohmann::json& value) const;
  void error(const Error& error) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct Method {
  std::string name;  // "object.verb"
  Access access = Access::kRead;
  std::vector<Parameter> parameters = {};
  std::string help = {};

  // Returns the `result`, or throws Error. `params` is an object and holds checked parameters only; an
  // optional one that was absent (or null) is absent. Must return within milliseconds: it runs on the control
  // thread.
  std::function<nlohmann::json(const nlohmann::json& params)> handler = {};

  // In place of `handler`: for what must wait (a worker's answer, a grace period). May throw Error at once.
  std::function<void(const nlohmann::json& params, Reply reply)> later = {};
};

class Router {
 public:
  inline static constexpr int kMaxDepth = 32;  // nested arrays and objects of a request

  // Has `rpc.describe` from the start.
  Router();

  // Throws std::logic_error when the name is taken, or not exactly one of handler and later is set: a bug
  // found at start.
  void add(Method method);

  std::vector<std::string> names() const;

  // What `rpc.describe` answers: [{name, access, help, parameters: [{name, type, required, help, ...}]}],
  // sorted.
  nlohmann::json describe() const;

  // One line in (without its newline; any bytes), one line out (without newline) through `answer`, which is
  // called exactly once, now or (Method::later) later; with "" for a notification, which gets no answer.
  // Never throws what the line's content caused.
  using Answer = std::function<void(std::string line)>;
  void handle(std::string_view line, const Caller& caller, Answer answer) const;

  // The same call without JSON-RPC's wrapping, for code in the same process and for tests of handlers.
  // Throws Error; a `later` method must answer before it returns.
  nlohmann::json call(const std::string& name, const nlohmann::json& params, const Caller& caller) const;

  // Called after each answer of a method that changes something, with "" or the sentence of its failure: the
  // audit log.
  using Audit = std::function<void(const Caller&, const std::string& method, const nlohmann::json& params,
                                   const std::string& failure)>;
  void set_audit(Audit audit) { audit_ = std::move(audit); }

 private:
  const Method& find(const std::string& name) const;
  void start(const Method& method, nlohmann::json params, const Caller& caller, Reply::Done done) const;

  std::map<std::string, Method> methods_;
  Audit audit_;
};

// One line of JSON-RPC answer, for the server's own refusals as well; never throws over content (bytes that
// are not UTF-8 are replaced).
std::string error_line(const nlohmann::json& id, const Error& error);

}  // namespace sluice::rpc
