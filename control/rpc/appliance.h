// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the objects of the command line talk about: the parts of a running appliance, put together by main.
// Each object has a file here (service.cc, dip.cc, …) that registers its methods. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/health/report.h"
#include "control/maps/live.h"
#include "control/metrics/rates.h"
#include "control/metrics/totals.h"
#include "control/restart/outcome.h"
#include "control/rpc/router.h"
#include "dataplane/door/counters.h"
#include "dataplane/door/exchange.h"

namespace sluice::rpc {

struct PortFacts {
  std::string name, device, driver, kernel_interface;
  MacAddress mac;
  std::uint16_t mtu = 0, vlan = 0, rx_queues = 0, tx_queues = 0;
  bool offers_rss = false;
  std::function<bool()> link_up;
  std::function<std::uint64_t()> missed_packets;  // lost by the device before Sluice saw them
  std::function<std::uint64_t()> tx_errors;       // lost by the device after it took them
};

// What went wrong between us and the kernel's tables, and was mended.
struct KernelFigures {
  std::uint64_t netlink_losses = 0, interface_renewals = 0;
};

struct WorkerFacts {
  unsigned lcore = 0;
  bool tier1 = true, tier2 = true;
  const WorkerCounters* counters = nullptr;
};

struct Appliance {
  maps::Live& live;
  metrics::Totals& totals;
  metrics::Rates& rates;
  std::vector<PortFacts> ports = {};
  std::vector<WorkerFacts> workers = {};
  std::string config_file = {};
  restart::Outcome restart = {};  // what the process before left to this one
  std::string hash_key_id = {};   // tells keys apart without telling the key
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  bool ready = false;
  std::function<std::uint32_t()> free_buffers = {};
  std::uint32_t buffers = 0;
  std::uint64_t tsc_hz = 1;
  // Asks a worker (by index); the answer comes later, on this thread. False: it is busy with earlier
  // questions.
  std::function<bool(unsigned worker, Request request, std::function<void(Request&)>)> ask = {};
  // The way to `destination` in words of the kernel's tables.
  std::function<std::string(const IpAddress& destination)> describe_path = {};
  // What the DIP's agent reported, when that is fresh.
  std::function<std::optional<health::Report>(const std::string& service, const std::string& dip)> report_of =
      {};
  // Brings a model into force; throws Error with one sentence when it cannot. What was done, in sentences.
  std::function<std::vector<std::string>(config::Model, const maps::ChangeOptions&)> apply = {};
  // Further parts of `explain`: what rooms have to add to its answer.
  std::vector<std::function<void(const FlowKey& key, nlohmann::json& answer)>> explain_parts = {};
  std::function<KernelFigures()> kernel_figures = {};
  // Further parts of `status`, by key: what rooms have to say that not every appliance has.
  std::map<std::string, std::function<nlohmann::json()>> status_parts = {};
};

void add_status(Router& router, Appliance& appliance);
void add_service(Router& router, Appliance& appliance);
void add_dip(Router& router, Appliance& appliance);
void add_port(Router& router, Appliance& appliance);
void add_worker(Router& router, Appliance& appliance);
void add_drop(Router& router, Appliance& appliance);
void add_explain(Router& router, Appliance& appliance);
void add_config(Router& router, Appliance& appliance);
void add_transition(Router& router, Appliance& appliance);
void add_flow(Router& router, Appliance& appliance);
void add_elephant(Router& router, Appliance& appliance);

// The page of /metrics: every counter that the commands show.
std::string render_metrics(const Appliance& appliance);
// Takes the samples from which rates are made; called every second.
void sample_rates(Appliance& appliance);

// Shared by the objects.
const config::Service& find_service(const Appliance& appliance, const std::string& name);
nlohmann::json dip_rows(const Appliance& appliance, const std::string& only);  // "" = of all services
FlowKey flow_key_of(const nlohmann::json& params);  // protocol, source, destination
std::string rate_name(const config::Service& service, const char* what);
std::string worker_rate(const WorkerFacts& worker, const char* what);

}  // namespace sluice::rpc
