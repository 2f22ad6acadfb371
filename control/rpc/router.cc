// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/router.h"

#include <exception>
#include <utility>

#include "control/rpc/parameters.h"

namespace sluice::rpc {
namespace {

using nlohmann::json;

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Nested brackets outside strings. Counted before parsing, so that no recursion ever follows the sender's
// depth.
int depth_of(std::string_view line) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

json parsed(std::string_view line) {
  if (depth_of(line) > Router::kMaxDepth) {
    throw Error(kInvalidRequest,
                "the request nests deeper than " + std::to_string(Router::kMaxDepth) + " levels");
  }
  try {
    return json::parse(line);
  } catch (const json::parse_error& error) {
    throw Error(kParseError, "not JSON at byte " + std::to_string(error.byte) + "; send one object a line");
  } catch (const json::exception&) {
    throw Error(kParseError, "not JSON: a number is out of range");
  }
}

// NOLINTNEXTLINE(bugprone-exception-escape): a null JSON value throws nothing, as its library promises.
struct Request {
  bool notification = false;
  json id;  // null when there is none
  std::string method;
  json params;
};

bool id_is_fine(const json& id) {
  return id.is_string() || id.is_number() || id.is_null();
}

// JSON-RPC 2.0, section 4. Leaves what it understood of `request` behind when it throws, so that the error
// can carry the id.
void read_request(const json& object, Request& request) {
  if (object.is_array()) {
    throw Error(kInvalidRequest, "batches are not taken; send one object a line");
  }
  if (!object.is_object()) {
    throw Error(kInvalidRequest, std::string("a request is an object, not ") + object.type_name());
  }
  if (const auto id = object.find("id"); id != object.end()) {
    if (!id_is_fine(*id)) {
      throw Error(kInvalidRequest,
                  std::string("\"id\" must be a string or a number, not ") + id->type_name());
    }
    request.id = *id;
  }
  const auto version = object.find("jsonrpc");
  if (version == object.end() || *version != "2.0") {
    throw Error(kInvalidRequest, "\"jsonrpc\" must be \"2.0\"");
  }
  const auto method = object.find("method");
  if (method == object.end() || !method->is_string()) {
    throw Error(kInvalidRequest, "\"method\" must name a method, as in \"service.list\"");
  }
  request.method = method->get<std::string>();
  request.params = object.value("params", json());
  // Only a request that is right in all else is a notification; a broken one is answered.
  request.notification = !object.contains("id");
}

}  // namespace

struct Reply::State {
  Done done;
  bool answered = false;

  explicit State(Done d) : done(std::move(d)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void finish(const json* result, const Error* error) {
    if (std::exchange(answered, true)) return;
    const Done call = std::exchange(done, nullptr);
    call(result, error);
  }
  ~State() {
    const Error lost(kInternal, "the handler gave no answer");
    try {
      finish(nullptr, &lost);
    } catch (const std::exception&) {
      // Out of memory while saying so; a destructor has nobody to tell.
    }
  }
};

Reply::Reply(Done done) : state_(std::make_shared<State>(std::move(done))) {}
void Reply::result(const json& value) const {
  state_->finish(&value, nullptr);
}
void Reply::error(const Error& error) const {
  state_->finish(nullptr, &error);
}

std::string error_line(const json& id, const Error& error) {
  const json body = {{"code", error.code()}, {"message", error.what()}};
  return R"({"jsonrpc":"2.0","id":)" + dumped(id) + R"(,"error":)" + dumped(body) + "}";
}

Router::Router() {
  add({.name = "rpc.describe",
       .help = "Lists every method with its parameters.",
       .handler = [this](const json&) { return describe(); }});
}

void Router::add(Method method) {
  if (!method.handler == !method.later) {
    throw std::logic_error("rpc method " + method.name + " needs exactly one of handler and later");
  }
  const std::string name = method.name;
  if (!methods_.emplace(name, std::move(method)).second) {
    throw std::logic_error("rpc method " + name + " is registered twice");
  }
}

std::vector<std::string> Router::names() const {
  std::vector<std::string> names;
  for (const auto& [name, method] : methods_) names.push_back(name);
  return names;
}

json Router::describe() const {
  json list = json::array();
  for (const auto& [name, method] : methods_) {
    json parameters = json::array();
    for (const Parameter& parameter : method.parameters) {
      json one = {{"name", parameter.name},
                  {"type", type_word(parameter.type)},
                  {"required", parameter.required},
                  {"help", parameter.help}};
      if (parameter.minimum) one["minimum"] = *parameter.minimum;
      if (parameter.maximum) one["maximum"] = *parameter.maximum;
      if (!parameter.choices.empty()) one["choices"] = parameter.choices;
      parameters.push_back(std::move(one));
    }
    list.push_back({{"name", name},
                    {"access", method.access == Access::kChange ? "change" : "read"},
                    {"help", method.help},
                    {"parameters", std::move(parameters)}});
  }
  return list;
}

const Method& Router::find(const std::string& name) const {
  const auto found = methods_.find(name);
  if (found != methods_.end()) return found->second;
  const std::string hint = did_you_mean(name, names());
  throw Error(kUnknownMethod,
              "unknown method " + shown(name) + (hint.empty() ? "; rpc.describe lists what there is" : hint));
}

void Router::start(const Method& method, json params, const Caller& caller, Reply::Done done) const {
  if (method.access == Access::kChange && audit_) {
    // By value: a late answer may come after this router is gone.
    done = [audit = audit_, caller, name = method.name, params, done = std::move(done)](const json* result,
                                                                                        const Error* error) {
      audit(caller, name, params, error ? error->what() : "");
      done(result, error);
    };
  }
  const Reply reply(std::move(done));
  try {
    if (method.access == Access::kChange && !caller.may_change) {
      throw Error(kDenied, method.name + " changes things, which user id " + std::to_string(caller.uid) +
                               " may not; ask as root or as a member of the admin group");
    }
    const json checked = checked_parameters(method, params);
    if (method.handler) {
      reply.result(method.handler(checked));
    } else {
      method.later(checked, reply);
    }
  } catch (const Error& error) {
    reply.error(error);
  } catch (const std::exception& error) {
    reply.error(Error(kInternal, method.name + " failed inside: " + error.what()));
  }
}

void Router::handle(std::string_view line, const Caller& caller, Answer answer) const {
  Request request;
  try {
    read_request(parsed(line), request);
    const Method& method = find(request.method);
    start(method, std::move(request.params), caller,
          [answer, id = request.id, silent = request.notification, limit = caller.max_answer_bytes](
              const json* result, const Error* error) {
            if (silent) return answer({});
            if (error) return answer(error_line(id, *error));
            std::string text =
                R"({"jsonrpc":"2.0","id":)" + dumped(id) + R"(,"result":)" + dumped(*result) + "}";
            if (text.size() <= limit) return answer(std::move(text));
            answer(error_line(
                id, Error(kTooLarge, "the answer has " + std::to_string(text.size()) + " bytes, more than " +
                                         std::to_string(limit) + "; ask for less of it")));
          });
  } catch (const Error& error) {
    answer(request.notification ? std::string() : error_line(request.id, error));
  }
}

json Router::call(const std::string& name, const json& params, const Caller& caller) const {
  json value;
  std::optional<Error> failure(Error(kInternal, name + " did not answer at once"));
  // Shared, because a late answer finds this frame gone.
  const auto open = std::make_shared<bool>(true);
  start(find(name), params, caller, [open, &value, &failure](const json* result, const Error* error) {
    if (!*open) return;
    failure.reset();
    if (error) failure.emplace(*error);
    if (result) value = *result;
  });
  *open = false;
  if (failure) throw Error(*failure);
  return value;
}

}  // namespace sluice::rpc
