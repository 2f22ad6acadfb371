// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/router.h"

#include <gtest/gtest.h>

namespace sluice::rpc {
namespace {

using nlohmann::json;

const Caller kRoot{.uid = 0, .may_change = true};
const Caller kReader{.uid = 1000, .may_change = false};

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router.add({.name = "dip.add",
                .access = Access::kChange,
                .parameters = {{.name = "service", .required = true, .help = "the service's name"},
                               {.name = "address", .required = true},
                               {.name = "weight", .type = Type::kInteger, .minimum = 0, .maximum = 100},
                               {.name = "protocol", .choices = {"tcp", "udp", "any"}},
                               {.name = "share", .type = Type::kNumber},
                               {.name = "now", .type = Type::kBoolean},
                               {.name = "list", .type = Type::kArray},
                               {.name = "more", .type = Type::kObject},
                               {.name = "any", .type = Type::kAny}},
                .help = "Adds a server.",
                .handler = [this](const json& params) {
                  ++calls;
                  return params;
                }});
    router.add({.name = "echo.fail",
                .handler = [](const json&) -> json { throw Error(kNotFound, "no service named \"wbe\""); }});
    router.add({.name = "echo.bug", .handler = [](const json&) -> json { return json::array().at(3); }});
    router.add({.name = "echo.bytes", .handler = [](const json&) -> json { return "\xff\xfe"; }});
    router.add({.name = "echo.big", .handler = [](const json&) -> json { return std::string(5000, 'x'); }});
    router.add(
        {.name = "echo.later", .later = [this](const json&, Reply reply) { pending.push_back(reply); }});
  }

  std::string ask(const std::string& line, const Caller& caller = kRoot) {
    std::string out = "(no answer)";
    router.handle(line, caller, [&](std::string answer) {
      EXPECT_EQ(out, "(no answer)") << "answered twice";
      out = std::move(answer);
    });
    return out;
  }

  // The "code message" of the error that `line` causes.
  std::string error(const std::string& line, const Caller& caller = kRoot) {
    const json answer = json::parse(ask(line, caller));
    EXPECT_EQ(answer["jsonrpc"], "2.0");
    EXPECT_FALSE(answer.contains("result"));
    return std::to_string(answer["error"]["code"].get<int>()) + " " +
           answer["error"]["message"].get<std::string>();
  }

  std::string param_error(const std::string& params) {
    return error(R"({"jsonrpc":"2.0","id":1,"method":"dip.add","params":)" + params + "}");
  }

  Router router;
  int calls = 0;
  std::vector<Reply> pending;
};

TEST_F(RouterTest, ARequestIsAnsweredWithItsIdAndResult) {
  EXPECT_EQ(
      ask(R"({"jsonrpc":"2.0","id":7,"method":"dip.add","params":{"service":"web","address":"10.1.0.1"}})"),
      R"({"jsonrpc":"2.0","id":7,"result":{"address":"10.1.0.1","service":"web"}})");
  const json text = json::parse(ask(R"({"jsonrpc":"2.0","id":"a\"b","method":"rpc.describe"})"));
  EXPECT_EQ(text["id"], "a\"b");
  const json null = json::parse(ask(R"({"jsonrpc":"2.0","id":null,"method":"rpc.describe"})"));
  EXPECT_TRUE(null["id"].is_null());
}

TEST_F(RouterTest, ANotificationIsExecutedWithoutAnAnswer) {
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"dip.add","params":{"service":"web","address":"a"}})"), "");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"dip.ad"})"), "") << "nor do its errors get one";
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"dip.add","params":{"service":"w","address":"a"}})", kReader),
            "");
  EXPECT_EQ(calls, 1) << "and rights hold for it too";
}

TEST_F(RouterTest, WhatIsNoJsonIsAParseError) {
  EXPECT_EQ(error("{\"jsonrpc\":"), "-32700 not JSON at byte 12; send one object a line");
  EXPECT_EQ(error("\x01\x02\xff"), "-32700 not JSON at byte 1; send one object a line");
  EXPECT_EQ(error("{\"a\":\"\xff\"}"), "-32700 not JSON at byte 7; send one object a line");
  EXPECT_EQ(error("{\"a\":1e999}"), "-32700 not JSON: a number is out of range");
}

TEST_F(RouterTest, WhatIsNoRequestIsAnInvalidRequest) {
  EXPECT_EQ(error("[]"), "-32600 batches are not taken; send one object a line");
  EXPECT_EQ(error(R"([{"jsonrpc":"2.0","id":1,"method":"rpc.describe"}])"),
            "-32600 batches are not taken; send one object a line");
  EXPECT_EQ(error("3"), "-32600 a request is an object, not number");
  EXPECT_EQ(error("{}"), "-32600 \"jsonrpc\" must be \"2.0\"");
  EXPECT_EQ(error(R"({"jsonrpc":"1.0","id":1,"method":"rpc.describe"})"),
            "-32600 \"jsonrpc\" must be \"2.0\"");
  EXPECT_EQ(error(R"({"jsonrpc":2.0,"id":1,"method":"rpc.describe"})"), "-32600 \"jsonrpc\" must be \"2.0\"");
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1})"),
            "-32600 \"method\" must name a method, as in \"service.list\"");
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":5})"),
            "-32600 \"method\" must name a method, as in \"service.list\"");
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":{},"method":"rpc.describe"})"),
            "-32600 \"id\" must be a string or a number, not object");
}

TEST_F(RouterTest, AnErrorCarriesTheIdWhereOneWasUnderstood) {
  EXPECT_EQ(json::parse(ask(R"({"jsonrpc":"1.0","id":9,"method":"x"})"))["id"], 9);
  EXPECT_TRUE(json::parse(ask("nonsense"))["id"].is_null());
}

TEST_F(RouterTest, DeepNestingIsRefusedBeforeItIsParsed) {
  const std::string deep = std::string(33, '[') + std::string(33, ']');
  EXPECT_EQ(error(deep), "-32600 the request nests deeper than 32 levels");
  EXPECT_EQ(error(std::string(65000, '[')), "-32600 the request nests deeper than 32 levels");
  EXPECT_EQ(
      error(R"({"jsonrpc":"2.0","id":1,"method":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["})"),
      "-32601 unknown method \"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[?[[\"; rpc.describe lists what there is")
      << "brackets inside strings are no nesting";
}

TEST_F(RouterTest, AnUnknownMethodSuggestsTheNearest) {
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"dip.ad"})"),
            "-32601 unknown method \"dip.ad\"; did you mean \"dip.add\"?");
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":""})"),
            "-32601 unknown method \"\"; rpc.describe lists what there is");
}

TEST_F(RouterTest, ParametersAreCheckedBeforeTheHandlerSeesThem) {
  EXPECT_EQ(param_error("[1]"), "-32602 dip.add: parameters go by name, in an object, not in array");
  EXPECT_EQ(param_error("{}"),
            "-32602 dip.add: parameter \"service\" (string) is missing: the service's name");
  EXPECT_EQ(param_error(R"({"service":"web"})"), "-32602 dip.add: parameter \"address\" (string) is missing");
  EXPECT_EQ(
      param_error(R"({"servcie":"web"})"),
      "-32602 dip.add: unknown parameter \"servcie\"; it takes service, address, weight, protocol, share, "
      "now, list, more, any; did you mean \"service\"?");
  EXPECT_EQ(param_error(R"({"service":5})"),
            "-32602 dip.add: parameter \"service\" must be of type string, not number");
  EXPECT_EQ(param_error(R"({"service":null,"address":"a"})"),
            "-32602 dip.add: parameter \"service\" (string) is missing: the service's name");
  EXPECT_EQ(param_error(R"({"share":"x"})"),
            "-32602 dip.add: parameter \"share\" must be of type number, not string");
  EXPECT_EQ(param_error(R"({"now":1})"),
            "-32602 dip.add: parameter \"now\" must be of type boolean, not number");
  EXPECT_EQ(param_error(R"({"list":{}})"),
            "-32602 dip.add: parameter \"list\" must be of type array, not object");
  EXPECT_EQ(param_error(R"({"more":[]})"),
            "-32602 dip.add: parameter \"more\" must be of type object, not array");
  EXPECT_EQ(param_error(R"({"weight":1.5})"),
            "-32602 dip.add: parameter \"weight\" must be of type integer, not number");
  EXPECT_EQ(param_error(R"({"protocol":"tpc"})"),
            "-32602 dip.add: parameter \"protocol\" is \"tpc\", it must be one of tcp, udp, any; did you "
            "mean \"tcp\"?");
  EXPECT_EQ(calls, 0);
}

TEST_F(RouterTest, IntegersAreHeldAgainstTheirRange) {
  EXPECT_EQ(param_error(R"({"weight":-1})"),
            "-32602 dip.add: parameter \"weight\" is -1, it must be 0 to 100");
  EXPECT_EQ(param_error(R"({"weight":101})"),
            "-32602 dip.add: parameter \"weight\" is 101, it must be 0 to 100");
  EXPECT_EQ(param_error(R"({"weight":18446744073709551615})"),
            "-32602 dip.add: parameter \"weight\" is 18446744073709551615, it must be 0 to 100");
  router.add({.name = "n.min",
              .parameters = {{.name = "n", .type = Type::kInteger, .minimum = 3}},
              .handler = [](const json& p) { return p; }});
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"n.min","params":{"n":2}})"),
            "-32602 n.min: parameter \"n\" is 2, it must be at least 3");
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"n.min","params":{"n":9223372036854775808}})"),
            "-32602 n.min: parameter \"n\" is 9223372036854775808, it must be at most 9223372036854775807");
}

TEST_F(RouterTest, AMethodWithoutParametersSaysSo) {
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"rpc.describe","params":{"x":1}})"),
            "-32602 rpc.describe: unknown parameter \"x\"; it takes none");
}

TEST_F(RouterTest, NullMeansAbsent) {
  EXPECT_EQ(router.call("dip.add", {{"service", "web"}, {"address", "a"}, {"weight", nullptr}}, kRoot),
            json({{"service", "web"}, {"address", "a"}}));
}

TEST_F(RouterTest, WhoMayOnlyReadIsToldWhoMayChange) {
  EXPECT_EQ(
      error(R"({"jsonrpc":"2.0","id":1,"method":"dip.add","params":{"service":"w","address":"a"}})", kReader),
      "-32001 dip.add changes things, which user id 1000 may not; ask as root or as a member of the admin "
      "group");
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(
      json::parse(ask(R"({"jsonrpc":"2.0","id":1,"method":"rpc.describe"})", kReader)).contains("result"));
}

TEST_F(RouterTest, AHandlersSentenceReachesTheCaller) {
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"echo.fail"})"), "-32002 no service named \"wbe\"");
  EXPECT_THROW(router.call("echo.fail", {}, kRoot), Error);
}

TEST_F(RouterTest, AnyOtherExceptionOfAHandlerIsAnInternalError) {
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"echo.bug"})").substr(0, 29),
            "-32603 echo.bug failed inside");
}

TEST_F(RouterTest, BytesThatAreNoUtf8AreReplacedInTheAnswer) {
  EXPECT_EQ(json::parse(ask(R"({"jsonrpc":"2.0","id":1,"method":"echo.bytes"})"))["result"],
            "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(RouterTest, AnAnswerThatDoesNotFitIsAnError) {
  const Caller small{.uid = 0, .may_change = true, .max_answer_bytes = 1000};
  EXPECT_EQ(error(R"({"jsonrpc":"2.0","id":1,"method":"echo.big"})", small),
            "-32004 the answer has 5036 bytes, more than 1000; ask for less of it");
}

TEST_F(RouterTest, ALaterAnswerArrivesOnce) {
  std::vector<std::string> answers;
  router.handle(R"({"jsonrpc":"2.0","id":1,"method":"echo.later"})", kRoot,
                [&](std::string answer) { answers.push_back(std::move(answer)); });
  EXPECT_TRUE(answers.empty());
  pending.front().result(5);
  pending.front().error(Error("too late"));
  pending.clear();
  EXPECT_EQ(answers, std::vector<std::string>{R"({"jsonrpc":"2.0","id":1,"result":5})"});
}

TEST_F(RouterTest, AForgottenAnswerIsAnError) {
  std::string answer;
  router.handle(R"({"jsonrpc":"2.0","id":1,"method":"echo.later"})", kRoot,
                [&](std::string line) { answer = std::move(line); });
  pending.clear();
  EXPECT_EQ(json::parse(answer)["error"]["message"], "the handler gave no answer");
}

TEST_F(RouterTest, ADirectCallDoesNotWait) {
  EXPECT_THROW(router.call("echo.later", {}, kRoot), Error);
  pending.front().result(5);  // must not touch the frame that is gone
}

TEST_F(RouterTest, ChangesAreAuditedWithTheirOutcome) {
  std::vector<std::string> log;
  router.set_audit(
      [&](const Caller& caller, const std::string& method, const json& params, const std::string& failure) {
        log.push_back(std::to_string(caller.uid) + " " + method + " " + params.dump() + " " +
                      failure.substr(0, 7));
      });
  ask(R"({"jsonrpc":"2.0","id":1,"method":"dip.add","params":{"service":"w","address":"a"}})");
  ask(R"({"jsonrpc":"2.0","id":1,"method":"dip.add","params":{}})", kReader);
  ask(R"({"jsonrpc":"2.0","id":1,"method":"rpc.describe"})");
  EXPECT_EQ(log, (std::vector<std::string>{R"(0 dip.add {"address":"a","service":"w"} )",
                                           "1000 dip.add {} dip.add"}));
}

TEST_F(RouterTest, DescribeListsEveryMethodWithItsParameters) {
  const json list = router.describe();
  ASSERT_EQ(list.size(), router.names().size());
  EXPECT_EQ(list[0]["name"], "dip.add");
  EXPECT_EQ(list[0]["access"], "change");
  EXPECT_EQ(list[0]["help"], "Adds a server.");
  EXPECT_EQ(
      list[0]["parameters"][2],
      json::parse(
          R"({"name":"weight","type":"integer","required":false,"help":"","minimum":0,"maximum":100})"));
  EXPECT_EQ(list[0]["parameters"][3]["choices"], json({"tcp", "udp", "any"}));
  EXPECT_EQ(list.back()["name"], "rpc.describe");
  EXPECT_EQ(list.back()["access"], "read");
}

TEST_F(RouterTest, AMethodIsRegisteredOnceAndWithOneHandler) {
  EXPECT_THROW(router.add({.name = "dip.add", .handler = [](const json& p) { return p; }}), std::logic_error);
  EXPECT_THROW(router.add({.name = "no.handler"}), std::logic_error);
  EXPECT_THROW(router.add({.name = "two.handlers",
                           .handler = [](const json& p) { return p; },
                           .later = [](const json&, const Reply&) {}}),
               std::logic_error);
}

}  // namespace
}  // namespace sluice::rpc
