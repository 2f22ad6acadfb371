// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// sluice-bench: measures the dataplane without a NIC and prints one JSON object. scripts/bench drives it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "dataplane/io/eal.h"
#include "tests/bench/parts.h"
#include "tests/bench/world.h"

namespace {

using namespace sluice::bench;

struct Options {
  WorldShape shape;
  std::string capture, device;
  double seconds = 1;
  FlowsPlan plan;
  std::vector<std::string> eal = {"--in-memory", "--no-pci", "--log-level=error"};
  unsigned lcore = 1;
};

void add_shape(CLI::App& app, WorldShape& shape) {
  app.add_option("--flows", shape.flows, "flows")->check(CLI::Range(64, 50'000'000));
  app.add_option("--dips", shape.dips, "DIPs of each service")->check(CLI::Range(1, 60'000));
  app.add_option("--groups", shape.groups,
                 "groups that the DIPs are in; more than one needs the Toeplitz hash")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--services", shape.services, "services, each with its own DIPs")
      ->check(CLI::Range(1, 60'000));
  app.add_flag("--v6", shape.v6, "IPv6 in IPv6");
  app.add_flag("--one-map", shape.one_map, "the services have the same DIPs");
  app.add_flag("--sticky", shape.sticky, "stages: every flow is in a flow table");
  app.add_option("--rounds", shape.rounds, "stages and tables: bursts of which the median counts")
      ->check(CLI::Range(10, 10'000'000));
  app.add_option("--seed", shape.seed, "of everything random");
}

int run(const Options& options, const CLI::App& app) {
  if (app.got_subcommand("maps")) {
    std::printf("%s\n", measure_maps(options.shape).dump().c_str());
    return 0;
  }
  if (app.got_subcommand("capture")) {
    const FrameShape frame{.v6 = options.shape.v6, .services = options.shape.services};
    write_capture(options.capture, frame, options.shape.flows, options.shape.seed);
    return 0;
  }
  const unsigned worker_lcores[] = {options.lcore};
  sluice::io::start_eal(options.eal, worker_lcores);
  nlohmann::json figures;
  if (app.got_subcommand("stages")) figures = measure_stages(options.shape);
  if (app.got_subcommand("path")) figures = measure_path(options.shape, options.device, options.seconds);
  if (app.got_subcommand("flows")) figures = measure_flows(options.shape, options.plan);
  if (app.got_subcommand("tables")) figures = measure_tables(options.shape);
  sluice::io::stop_eal();
  std::printf("%s\n", figures.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures the dataplane without a NIC and prints JSON; scripts/bench makes the table."};
  app.require_subcommand(1);
  add_shape(app, options.shape);
  app.add_option("--eal", options.eal, "EAL's arguments");
  app.add_option("--lcore", options.lcore, "the lcore that is measured");
  app.fallthrough();
  app.add_subcommand("capture", "writes the packets to a file")
      ->add_option("file", options.capture)
      ->required();
  app.add_subcommand("stages", "each stage alone");
  auto* path = app.add_subcommand("path", "the whole way through a worker");
  path->add_option("device", options.device, "net_pcap0,rx_pcap=FILE,infinite_rx=1")->required();
  path->add_option("--seconds", options.seconds, "how long");
  auto* flows = app.add_subcommand("flows", "workers with flow tables");
  const std::map<std::string, FlowWork> works = {{"stateless", FlowWork::kStateless},
                                                 {"established", FlowWork::kEstablished},
                                                 {"new", FlowWork::kNew},
                                                 {"transition", FlowWork::kTransition},
                                                 {"elephants", FlowWork::kElephants},
                                                 {"pipeline", FlowWork::kPipeline}};
  const std::map<std::string, Order> orders = {
      {"random", Order::kRandom}, {"local", Order::kLocal}, {"zipf", Order::kZipf}};
  FlowsPlan& plan = options.plan;
  flows->add_option("work", plan.work, "what they do")->required()->transform(CLI::CheckedTransformer(works));
  flows->add_option("--order", plan.order, "in which flows come")->transform(CLI::CheckedTransformer(orders));
  flows->add_flag("--adaptive", plan.adaptive_idle, "idle = \"adaptive\" instead of \"busy\"");
  flows->add_option("--seconds", plan.seconds, "how long");
  app.add_subcommand("maps", "the making of a map of --dips DIPs; needs no EAL");
  app.add_subcommand("tables", "hashes and lookups");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(options, app);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice-bench: %s\n", error.what());
    return 1;
  }
}
