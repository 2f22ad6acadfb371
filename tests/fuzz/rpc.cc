// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Lines on the control socket, as a client with all rights may send them, to every method that needs no
// network: each gets exactly one answer, in JSON, and changes the model wholly or not at all. (F4, "Bad
// input".)
#include <deque>
#include <string>

#include "control/config/diff.h"
#include "control/config/parse.h"
#include "control/config/print.h"
#include "control/rpc/appliance.h"
#include "control/rpc/health.h"
#include "control/rpc/mux.h"
#include "dataplane/table/group_state.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"
#include "tests/packet/key.h"

namespace sluice::fuzz {
namespace {

constexpr unsigned kMostLines = 16;
constexpr std::uint64_t kMemory = std::uint64_t{1} << 28;
constexpr std::size_t kMostPages = 10'000;

const config::Model& first_model() {
  static const config::Model model = [] {
    const config::Result result = config::parse_text(R"(
      dataplane: { slots = 61; ports = ( { name = "up"; device = "net_null0"; address = [ "10.0.0.10/24" ];
                   gateway_mac = "02:00:00:00:00:01"; } ); workers = ( { lcore = 1; }, { lcore = 2; } ); };
      dip_lists: ( { name = "farm"; dips = ( { address = "10.1.0.11"; }, { address = "10.1.0.12"; weight = 3; } ); } );
      services: (
        { name = "web"; vip = "203.0.113.10"; port = 80; dips = "farm"; flows = 1024; },
        { name = "six"; vip = "2001:db8:cb::10"; port = 80; flows = 1024; health = { type = "http"; };
          groups = ( { name = "a"; dips = ( { address = "2001:db8:1::1"; } ); },
                     { name = "b"; dips = ( { address = "2001:db8:1::2"; } ); } ); },
        { name = "dns"; vip = "203.0.113.53"; protocol = "udp"; port = 53; stickiness = "none";
          dips = ( { address = "10.1.0.21"; } ); } );)",
                                                     "the fuzz target");
    for (const config::Problem& problem : result.problems)
      std::fprintf(stderr, "%s\n", config::to_string(problem).c_str());
    must(result.model.has_value(), "the target's own configuration is wrong");
    return *result.model;
  }();
  return model;
}

// An appliance without ports; what its workers would answer is answered here, later.
class Rig {
 public:
  Rig() : live_(first_model(), surroundings()), publisher_(live_.first_snapshot(), 1) {
    live_.publish_through(publisher_);
    totals_.add_writer(&counters());
    appliance_.workers = {{1, true, true, &counters()}, {2, true, true, &counters()}};
    appliance_.config_file = "/nowhere";
    appliance_.free_buffers = [] { return 7u; };
    appliance_.tsc_hz = 1'000'000;
    appliance_.ready = true;
    appliance_.ask = [this](unsigned worker, Request request, std::function<void(Request&)> done) {
      must(worker < 2, "no worker has that index");
      if (asked_.size() > 8) return false;
      asked_.push_back({std::move(request), std::move(done)});
      return true;
    };
    appliance_.describe_path = [](const IpAddress& to) {
      return "by the port's gateway_mac to " + to_string(to);
    };
    appliance_.report_of = [](const auto&, const auto&) { return std::nullopt; };
    appliance_.apply = [this](const config::Model& next, const maps::ChangeOptions& options) {
      return apply(next, options);
    };
    for (const auto add :
         {rpc::add_status, rpc::add_service, rpc::add_dip, rpc::add_port, rpc::add_worker, rpc::add_drop,
          rpc::add_explain, rpc::add_config, rpc::add_transition, rpc::add_flow, rpc::add_elephant})
      add(router_, appliance_);
    rpc::add_health(router_, [] { return std::vector<health::Row>(); });
    rpc::add_mux(router_, nullptr);
  }

  void handle(std::string_view line) {
    unsigned answers = 0;
    const rpc::Caller caller{.may_change = true};
    router_.handle(line, caller, [&](const std::string& answer) {
      ++answers;
      must(answer.empty() || !nlohmann::json::parse(answer, nullptr, false).is_discarded(),
           "an answer that is not JSON");
      must(answer.find('\n') == std::string::npos, "an answer of several lines");
    });
    for (std::size_t pages = 0; !asked_.empty(); ++pages) {
      must(pages < kMostPages, "a question to workers that never ends");
      Asked asked = std::move(asked_.front());
      asked_.pop_front();
      serve(asked.request);
      asked.done(asked.request);
    }
    must(answers == 1, "a line without an answer, or with two");
    look_at_model();
  }

 private:
  struct Asked {
    Request request;
    std::function<void(Request&)> done;
  };

  static WorkerCounters& counters() {
    static WorkerCounters counters;
    return counters;
  }

  maps::Live::Surroundings surroundings() {
    std::vector<maps::PortFacts> ports(1);
    ports[0].source4 = *parse_address("10.0.0.10");
    return {.ports = ports,
            .path_to =
                [](const IpAddress&) {
                  return maps::Path{.resolved = true, .port = 0, .next_hop = {}, .why = {}};
                },
            .own_addresses = [] { return std::vector<IpAddress>{*parse_address("10.0.0.10")}; },
            .toeplitz = ToeplitzKey(test::key_of()),
            .slot_hash = KeyedHash(derive_secret(test::key_of(), "fuzz")),
            .observer = [](unsigned) { return FlowObserver{}; },
            .flows_of_target = [](std::uint32_t) { return std::uint64_t{0}; },
            .memory_bytes = kMemory};
  }

  std::vector<std::string> apply(const config::Model& next, const maps::ChangeOptions& options) {
    const std::vector<config::Action> actions = config::diff(live_.model(), next);
    std::vector<std::string> done;
    for (const config::Action& action : actions) done.push_back(config::describe(action));
    if (actions.empty()) return done;
    if (const auto refused = live_.replace(config::apply(live_.model(), actions), options))
      throw rpc::Error(*refused);
    return done;
  }

  // A worker's part.
  static void serve(Request& request) {
    if (auto* page = std::get_if<FlowPage>(&request)) {
      page->cursor =
          page->state->flows.visit(page->cursor, page->budget, [&](const FlowKey& key, Flow& flow) {
            if (page->rows.size() < page->rows.capacity()) page->rows.push_back({key, flow});
          });
    }
    if (auto* explain = std::get_if<ExplainRequest>(&request)) {
      explain->answer.drop_reason = static_cast<std::uint8_t>(DropReason::kNoService);
      explain->answer.generation = 0;
    }
  }

  // What runs is a valid configuration, whatever was asked.
  void look_at_model() {
    if (live_.generation() == checked_) return;
    checked_ = live_.generation();
    publisher_.reclaim();
    const config::Result again = config::parse_text(config::to_text(live_.model()), "running");
    if (!again.model) std::fprintf(stderr, "%s\n", config::to_string(again.problems.at(0)).c_str());
    must(again.model.has_value(), "what runs is no valid configuration");
    must(config::diff(live_.model(), *again.model).empty(), "what runs and what is printed differ");
  }

  maps::Live live_;
  Publisher publisher_;
  metrics::Totals totals_;
  metrics::Rates rates_;
  rpc::Appliance appliance_{live_, totals_, rates_};
  rpc::Router router_;
  std::deque<Asked> asked_;
  std::uint64_t checked_ = 0;
};

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  std::string_view text = Input(data, size).text(size);
  Rig rig;
  for (unsigned lines = 0; !text.empty() && lines < kMostLines; ++lines) {
    const std::size_t end = text.find('\n');
    rig.handle(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return 0;
}
