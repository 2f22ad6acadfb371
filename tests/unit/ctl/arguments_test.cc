// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/arguments.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <set>

namespace sluice::ctl {
namespace {

// What a line asks of the server, as "method params", or the sentence of its refusal.
std::string meaning(const std::string& line) {
  try {
    const Invocation invocation = parse_arguments(split_words(line));
    if (invocation.action != Action::kRun) return "(no run)";
    return invocation.command->method + " " + invocation.params.dump();
  } catch (const UsageError& error) {
    return error.what();
  }
}

struct Case {
  std::string line;
  std::string meaning;
  friend std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.line; }
};

class Accepted : public testing::TestWithParam<Case> {};
TEST_P(Accepted, BecomesARequest) {
  EXPECT_EQ(meaning(GetParam().line), GetParam().meaning);
}

INSTANTIATE_TEST_SUITE_P(
    Commands, Accepted,
    testing::Values(
        Case{"status", "status {}"}, Case{"service list", "service.list {}"},
        Case{"service show web", R"(service.show {"name":"web"})"},
        Case{"service show dip", R"(service.show {"name":"dip"})"},
        Case{"service show list", R"(service.show {"name":"list"})"},
        Case{"service remove web", R"(service.remove {"name":"web"})"},
        Case{"service add web --vip 203.0.113.10", R"(service.add {"name":"web","vip":"203.0.113.10"})"},
        Case{
            "service add web --vip 203.0.113.0/24 --protocol tcp --port 80 --dip 10.1.0.11*2 --dip 10.2.0.12 "
            "--stickiness none --hash-fields source --scheduler random",
            R"(service.add {"dips":[{"address":"10.1.0.11","weight":2},{"address":"10.2.0.12"}],)"
            R"("hash_fields":"source","name":"web","port":80,"protocol":"tcp","scheduler":"random",)"
            R"("stickiness":"none","vip":"203.0.113.0/24"})"},
        Case{
            "service add six --vip 2001:db8::/32 --dip 2001:db8:1::1*3 --dip [2001:db8:1::2]:8080 --dip "
            "[2001:db8:1::3]:80*4",
            R"(service.add {"dips":[{"address":"2001:db8:1::1","weight":3},{"address":"2001:db8:1::2","port":8080},)"
            R"({"address":"2001:db8:1::3","port":80,"weight":4}],"name":"six","vip":"2001:db8::/32"})"},
        Case{"dip list", "dip.list {}"}, Case{"dip list web", R"(dip.list {"service":"web"})"},
        Case{"dip add web 10.1.0.11", R"(dip.add {"address":"10.1.0.11","service":"web"})"},
        Case{"dip add web 10.1.0.11:8080 --group a --weight 0",
             R"(dip.add {"address":"10.1.0.11:8080","group":"a","service":"web","weight":0})"},
        Case{"dip add --weight=3 web 2001:db8::1",
             R"(dip.add {"address":"2001:db8::1","service":"web","weight":3})"},
        Case{"dip weight web 10.1.0.11 5",
             R"(dip.weight {"address":"10.1.0.11","service":"web","weight":5})"},
        Case{"dip drain web 10.1.0.11", R"(dip.drain {"address":"10.1.0.11","service":"web"})"},
        Case{"dip drain web 10.1.0.11 --deadline 60",
             R"(dip.drain {"address":"10.1.0.11","deadline_s":60,"service":"web"})"},
        Case{"dip remove web 10.1.0.11 --now",
             R"(dip.remove {"address":"10.1.0.11","now":true,"service":"web"})"},
        Case{"dip remove web 10.1.0.11", R"(dip.remove {"address":"10.1.0.11","service":"web"})"},
        Case{"dip remove --group a web 10.1.0.11",
             R"(dip.remove {"address":"10.1.0.11","group":"a","service":"web"})"},
        Case{"transition list", "transition.list {}"},
        Case{"transition finish web", R"(transition.finish {"service":"web"})"},
        Case{"transition abort web", R"(transition.abort {"service":"web"})"},
        Case{"flow list web --limit 10", R"(flow.list {"limit":10,"service":"web"})"},
        Case{"flow list --limit 10", R"(flow.list {"limit":10})"},
        Case{"flow show tcp 192.0.2.1:4000 203.0.113.10:80",
             R"(flow.show {"destination":"203.0.113.10:80","protocol":"tcp","source":"192.0.2.1:4000"})"},
        Case{"flow flush web", R"(flow.flush {"service":"web"})"}, Case{"elephant list", "elephant.list {}"},
        Case{
            "explain tcp 192.0.2.1:4000 203.0.113.10:80 --syn",
            R"(explain {"destination":"203.0.113.10:80","protocol":"tcp","source":"192.0.2.1:4000","syn":true})"},
        Case{
            "explain udp [2001:db8::1]:4000 [2001:db8:cb::10]:53",
            R"(explain {"destination":"[2001:db8:cb::10]:53","protocol":"udp","source":"[2001:db8::1]:4000"})"},
        Case{"port list", "port.list {}"}, Case{"worker list", "worker.list {}"},
        Case{"drop list", "drop.list {}"}, Case{"health list", "health.list {}"},
        Case{"health check web 10.1.0.11", R"(health.check {"address":"10.1.0.11","service":"web"})"},
        Case{"iip list", "iip.list {}"}, Case{"iip add 10.0.0.20", R"(iip.add {"address":"10.0.0.20"})"},
        Case{"iip remove 10.0.0.20", R"(iip.remove {"address":"10.0.0.20"})"},
        Case{"iip announce 10.0.0.20", R"(iip.announce {"address":"10.0.0.20"})"},
        Case{"capture start /tmp/x.pcapng --drops --service web --limit 5",
             R"(capture.start {"drops":true,"file":"/tmp/x.pcapng","limit":5,"service":"web"})"},
        Case{"capture stop", "capture.stop {}"},
        Case{"config check /etc/a", R"(config.check {"file":"/etc/a"})"},
        Case{"config reload", "config.reload {}"},
        Case{"config reload /b/../a", R"(config.reload {"file":"/a"})"},
        Case{"config show", "config.show {}"}, Case{"top", " {}"},
        Case{"--json --socket /x drop list", "drop.list {}"},
        Case{"drop --json list --socket=/x", "drop.list {}"},
        Case{"drop list --socket /x --json", "drop.list {}"}));

class Refused : public testing::TestWithParam<Case> {};
TEST_P(Refused, SaysWhatWouldBeRight) {
  EXPECT_EQ(meaning(GetParam().line), GetParam().meaning);
}

INSTANTIATE_TEST_SUITE_P(
    Commands, Refused,
    testing::Values(
        Case{"servce list", "unknown command \"servce\"; did you mean \"service\"?"},
        Case{"banana",
             "unknown command \"banana\"; known: status, service, dip, transition, flow, elephant, explain, "
             "port, worker, drop, health, route, iip, mux, capture, config, top"},
        Case{"dip lst", "unknown verb of dip \"lst\"; did you mean \"list\"?"},
        Case{"drop add", "unknown verb of drop \"add\"; known: list"},
        Case{"dip", "dip needs a verb: list, add, weight, drain, remove"},
        Case{"dip add web 10.1.0.11 --wieght 3",
             "unknown option of dip add \"--wieght\"; did you mean \"--weight\"?"},
        Case{"--jsno status", "unknown option of status \"--jsno\"; did you mean \"--json\"?"},
        Case{"--nonsense",
             "unknown option \"--nonsense\"; known: --socket, --json, --help, --version, --markdown, "
             "--man"},
        Case{"dip add web",
             "dip add needs ADDRESS; usage: sluicectl dip add SERVICE ADDRESS [--group G] [--weight N]"},
        Case{"service add web",
             "service add needs --vip; usage: sluicectl service add NAME --vip ADDRESS "
             "[--protocol WORD] [--port N] [--dip ADDRESS[:PORT][*WEIGHT]]... [--stickiness WORD] "
             "[--hash-fields WORD] [--flow-key WORD] [--flow-start WORD] [--scheduler WORD] "
             "[--encapsulation WORD] "
             "[--outer-source WORD] [--unknown-flow WORD] [--announce WORD]"},
        Case{"dip add",
             "dip add needs SERVICE; usage: sluicectl dip add SERVICE ADDRESS [--group G] [--weight N]"},
        Case{"status now", "\"now\" is one argument too many; usage: sluicectl status"},
        Case{"dip list web dns", "\"dns\" is one argument too many; usage: sluicectl dip list [SERVICE]"},
        Case{"dip add web ten",
             "ADDRESS \"ten\" is not right: write an address as 10.1.0.11, 10.1.0.11:8080, "
             "2001:db8::1 or [2001:db8::1]:8080"},
        Case{"dip add web 10.1.0.11 --weight many", "--weight \"many\" is not right: it is a whole number"},
        Case{"dip weight web 10.1.0.11 1.5", "N \"1.5\" is not right: it is a whole number"},
        Case{"dip show ''", "unknown verb of dip \"show\"; known: list, add, weight, drain, remove"},
        Case{"service show ''", "NAME is empty"},
        Case{"service add web --vip 203.0.113.0/33",
             "--vip \"203.0.113.0/33\" is not right: write an address, or a prefix as 203.0.113.0/24"},
        Case{"service add web --vip 203.0.113.1 --dip 10.1.0.11*x",
             "--dip \"10.1.0.11*x\" is not right: the weight after the * is a whole number, as in "
             "10.1.0.11*2"},
        Case{"service add web --vip 203.0.113.1 --dip web*2",
             "--dip \"web*2\" is not right: write an address, and perhaps a port and a weight, as "
             "10.1.0.11:8080*2"},
        Case{"explain tcp 192.0.2.1 203.0.113.10:80",
             "SRC:PORT \"192.0.2.1\" is not right: write address and port as 192.0.2.1:40000 or "
             "[2001:db8::1]:40000"},
        Case{"explain tcp 2001:db8::1:80 203.0.113.10:80",
             "SRC:PORT \"2001:db8::1:80\" is not right: write address and port as 192.0.2.1:40000 or "
             "[2001:db8::1]:40000"},
        Case{"explain tcp 192.0.2.1:70000 203.0.113.10:80",
             "SRC:PORT \"192.0.2.1:70000\" is not right: write address and port as 192.0.2.1:40000 or "
             "[2001:db8::1]:40000"}));

TEST(Arguments, AnOptionWithoutItsValueIsRefused) {
  EXPECT_NE(meaning("dip add web 10.1.0.11 --weight").find("--weight"), std::string::npos);
  EXPECT_NE(meaning("--socket").find("--socket"), std::string::npos);
  EXPECT_NE(meaning("dip add web 10.1.0.11 --weight 1 --weight 2").find("--weight"), std::string::npos);
}

TEST(Arguments, FilesAreMadeAbsolute) {
  const std::string here = std::filesystem::current_path().lexically_normal().string();
  EXPECT_EQ(meaning("config check a.conf"), R"(config.check {"file":")" + here + "/a.conf\"}");
}

TEST(Arguments, TheProgramsOwnOptionsAreSeen) {
  const Invocation both = parse_arguments({"--socket", "/x", "drop", "list", "--json"});
  EXPECT_EQ(both.socket, "/x");
  EXPECT_TRUE(both.json);
  EXPECT_EQ(parse_arguments({}).action, Action::kInteractive);
  EXPECT_EQ(parse_arguments({"--json"}).action, Action::kInteractive);
  EXPECT_EQ(parse_arguments({"--version"}).action, Action::kVersion);
  EXPECT_EQ(parse_arguments({"--markdown"}).action, Action::kMarkdown);
  EXPECT_EQ(parse_arguments({"--man"}).action, Action::kMan);
}

TEST(Arguments, HelpWantsNoArguments) {
  EXPECT_EQ(parse_arguments({"--help"}).action, Action::kHelp);
  EXPECT_EQ(parse_arguments({"dip", "--help"}).object, "dip");
  const Invocation add = parse_arguments({"dip", "add", "-h"});
  EXPECT_EQ(add.action, Action::kHelp);
  EXPECT_EQ(add.command, find_command("dip", "add"));
  EXPECT_THROW(parse_arguments({"dpi", "--help"}), UsageError);
}

TEST(Arguments, LinesAreCutAsAShellDoes) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_words("  a\tb  c "), (Words{"a", "b", "c"}));
  EXPECT_EQ(split_words(R"("a b" 'c "d"' e\ f "" g"h"i)"), (Words{"a b", "c \"d\"", "e f", "", "ghi"}));
  EXPECT_EQ(split_words(""), Words{});
  EXPECT_THROW(split_words("a 'b"), UsageError);
  EXPECT_THROW(split_words("a \"b"), UsageError);
}

TEST(CommandTable, EveryCommandIsWholeAndUnique) {
  std::set<std::string> names;
  for (const Command& command : commands()) {
    const std::string name = name_of(command);
    EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
    EXPECT_TRUE(command.help.ends_with('.')) << name;
    const std::string method = command.verb.empty() ? command.object : command.object + "." + command.verb;
    EXPECT_EQ(command.method, name == "top" ? "" : method);
    if (command.view.form == Form::kTable) {
      EXPECT_FALSE(command.view.keys.empty()) << name;
      EXPECT_FALSE(command.view.empty.empty()) << name;
    }
    bool optional_seen = false;
    for (const Argument& argument : command.arguments) {
      EXPECT_FALSE(argument.help.empty()) << name << " " << argument.key;
      EXPECT_EQ(argument.shown.empty(), argument.kind == Kind::kFlag) << name << " " << argument.key;
      if (!argument.option.empty()) continue;
      EXPECT_FALSE(optional_seen && argument.required) << name << ": nothing required after an optional one";
      optional_seen = optional_seen || !argument.required;
    }
  }
  for (const char* object : {"status", "service", "dip", "transition", "flow", "elephant", "explain", "port",
                             "worker", "drop", "health", "iip", "capture", "config", "top"}) {
    EXPECT_TRUE(find_command(object, "") || !verbs_of(object).empty()) << object;
  }
}

}  // namespace
}  // namespace sluice::ctl
