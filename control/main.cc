// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// sluiced, the appliance. It reads top to bottom: configuration, EAL and ports, ways, maps, what the process
// before left, workers, health, addresses and routes, doors, and then it runs until it is told to stop.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <set>

#include "control/announce/announcer.h"
#include "control/config/diff.h"
#include "control/config/parse.h"
#include "control/confine/confine.h"
#include "control/doors.h"
#include "control/health/doctor.h"
#include "control/health/monitor.h"
#include "control/health/verdicts.h"
#include "control/health/ways.h"
#include "control/load/desk.h"
#include "control/machine.h"
#include "control/maps/live.h"
#include "control/restart/background.h"
#include "control/route/announcer.h"
#include "control/route/facts.h"
#include "control/rpc/appliance.h"
#include "control/rpc/mux.h"
#include "control/succession.h"
#include "control/supervise/workers.h"
#include "control/ways.h"

namespace sluice {
namespace {

constexpr int kDone = 0, kFailed = 1, kWrongUse = 2;

struct Arguments {
  std::string config_file;
  bool take_over = false, background = false;
  bool check = false;
};

// The configuration, or nothing after its problems were printed.
std::optional<config::Model> read_configuration(const std::string& file) {
  config::Result result = config::parse_file(file);
  for (const config::Problem& problem : result.problems) std::cerr << config::to_string(problem) << '\n';
  return std::move(result.model);
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

void start_log(const std::string& level) {
  auto logger =
      std::make_shared<spdlog::logger>("sluiced", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  spdlog::set_default_logger(logger);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::flush_on(spdlog::level::trace);
}

void warn(const std::string& sentence) {
  spdlog::warn("{}", sentence);
}

// The running appliance; its members are made in the order of the packet's way.
class Sluiced {
 public:
  Sluiced(const config::Model& model, std::string config_file, bool take_over)
      : machine_(model.dataplane, [&] { return succession_.receive(model, take_over); }),
        ways_(io_, model.dataplane, [this] { kernel_changed(); }),
        live_(model, surroundings(model)),
        data_path_(make_data_path()),
        health_(make_health_monitor()),
        announcer_(make_announcer()),
        routes_(io_, route::options_for(model.control, ways_.kernel() != nullptr, warn)),
        doctor_(io_, doctor_options()),
        appliance_{live_, totals_, rates_} {
    appliance_.config_file = std::move(config_file);
    ways_.configure_interfaces(machine_.macs());
    machine_.start(succession_.go_on(live_, machine_));
    live_.publish_through(machine_.publisher());
    live_.on_change([this] { changed(); });
    machine_.register_writers(totals_);
    fill_appliance();
    pool_ = make_pool();
    doors_.emplace(io_, model.control,
                   Doors::Behind{appliance_, *health_, doctor_, *announcer_, pool_.get(), routes_});
    changed();
    tick();
    wait_for_ready();
  }

  int run() {
    boost::asio::signal_set signals(io_, SIGTERM, SIGINT);
    wait_to_leave(signals);
    boost::asio::signal_set reload(io_, SIGHUP);
    wait_for_reload(reload);
    io_.run();
    spdlog::info("stopping: finishing what has come in");
    if (pool_) pool_->leave();
    machine_.stop();
    succession_.leave(live_);
    if (keeping_) succession_.keep(machine_);
    doors_->close();
    log_balance();
    return kDone;
  }

 private:
  const config::Dataplane& dataplane() const { return live_.model().dataplane; }

  maps::Live::Surroundings surroundings(const config::Model& model) {
    return {.ports = maps::port_facts(model.dataplane, machine_.macs()),
            .path_to = [this](const IpAddress& destination) { return ways_.path_to(destination); },
            .own_addresses = [this] { return ways_.own_addresses(); },
            .toeplitz = ToeplitzKey(succession_.key()),
            .slot_hash = KeyedHash(derive_secret(succession_.key(), "tier-2 slots")),
            .observer = [this](unsigned worker) { return machine_.observer(worker); },
            .flows_of_target = [this](std::uint32_t target) { return totals_.flows_of_target(target); },
            .agent_says_empty = [this](const std::string& service,
                                       const std::string& dip) { return load_.says_empty(service, dip); },
            .count_broken = [this](std::uint32_t service, std::uint64_t flows,
                                   bool deadline) { totals_.add_broken(service, flows, deadline); },
            .warn = [](const std::string& sentence) { spdlog::warn("{}", sentence); }};
  }

  void kernel_changed() {
    if (machine_running_) live_.refresh();
  }

  // A snapshot has been published.
  void changed() {
    machine_running_ = true;
    routes_.want(route::decide(route::facts_of(live_.model(), live_.directory())));
    totals_.forget_services(live_.take_reused_services());
    totals_.forget_targets(live_.take_reused_targets());
    ways_.watch(live_.model().services);
  }

  // SIGTERM: routers learn of it first, and packets are forwarded until they have turned elsewhere. A second
  // one ends it at once.
  void wait_to_leave(boost::asio::signal_set& signals) {
    signals.async_wait([this, &signals](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (std::exchange(leaving_, true)) return io_.stop();
      sd_notify(0, "STOPPING=1");
      keeping_ = signal == SIGTERM && live_.model().control.on_stop == config::OnStop::kKeep;
      if (keeping_) return leave_for_the_next();
      routes_.withdraw();
      if (pool_) pool_->hand_over("", [](const auto&) {});
      leave_timer_.expires_after(std::chrono::milliseconds(live_.model().control.leave_ms));
      leave_timer_.async_wait([this](const boost::system::error_code&) { io_.stop(); });
      wait_to_leave(signals);
    });
  }

  // The next process comes at once, so nobody else learns of it.
  void leave_for_the_next() {
    routes_.leave();
    io_.stop();
  }

  // The clients' way, for probes that take it: the kernel sends them by a port's interface.
  std::shared_ptr<health::DataPath> make_data_path() {
    if (!ways_.kernel()) return nullptr;
    const auto path = [this](const IpAddress& destination) { return ways_.path_to(destination); };
    return std::make_shared<health::DataPath>(machine_.probe_ports(), health::Ways(live_, path));
  }

  health::DoctorOptions doctor_options() {
    return {.data_path = data_path_,
            .path_to = [this](const IpAddress& destination) { return ways_.path_to(destination); },
            .describe_path = [this](const IpAddress& destination) { return ways_.describe(destination); }};
  }

  // From verdict to packets in one step: those of one moment are one publication.
  void publish(const std::vector<health::Verdicts::News>& news) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<maps::Live::Health> health;
    health.reserve(news.size());
    for (const auto& n : news) health.push_back({n.service, n.dip, n.healthy});
    live_.set_health(health);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    for (const auto& n : news) {
      spdlog::log(n.healthy ? spdlog::level::info : spdlog::level::warn,
                  "service {}: DIP {} is {}, published in {:.1f} ms: {}", n.service, n.dip,
                  n.healthy ? "up" : "down", took.count(), n.why);
    }
  }

  std::unique_ptr<health::Monitor> make_health_monitor() {
    health::Options options;
    options.log = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
    options.report = [this](const std::string& service, const std::string& dip,
                            const health::Report& report) { load_.report(service, dip, report); };
    options.data_path = data_path_;
    options.walk = [this](const config::Service& service, const config::Dip& dip, health::Walked done) {
      doctor_.admit(service, dip, std::move(done));
    };
    options.was_down = [this](const std::string& service, const std::string& dip) {
      return !live_.healthy(service, dip);
    };
    return std::make_unique<health::Monitor>(
        io_,
        [this](const std::string& service, const std::string& dip, bool healthy, const std::string& why) {
          verdicts_.give({service, dip, healthy, why});
        },
        std::move(options));
  }

  std::unique_ptr<announce::Announcer> make_announcer() {
    announce::Surroundings around;
    around.macs = machine_.macs();
    around.add_address = [this](const auto&... what) { return ways_.kernel()->add_address(what...); };
    around.remove_address = [this](const auto&... what) { return ways_.kernel()->remove_address(what...); };
    around.log = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
    return std::make_unique<announce::Announcer>(io_, std::move(around));
  }

  std::unique_ptr<pool::Pool> make_pool() {
    if (live_.model().pool.name.empty()) return nullptr;
    pool::Hooks hooks;
    hooks.busy_percent = [this] { return rpc::busiest_percent(appliance_); };
    hooks.service_packets_per_s = [this] { return rpc::service_packets_per_s(appliance_); };
    hooks.log = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
    return std::make_unique<pool::Pool>(io_, live_.model(), *announcer_, std::move(hooks));
  }

  // Who has an IIP is decided by the pool, where there is one.
  void keep_addresses() { pool_ ? pool_->configure(live_.model()) : announcer_->configure(live_.model()); }

  void fill_appliance() {
    appliance_.ports = machine_.port_facts();
    appliance_.workers = machine_.worker_facts();
    appliance_.hash_key_id = hex(derive_secret(succession_.key(), "key id")).substr(0, 8);
    appliance_.restart = succession_.outcome();
    appliance_.buffers = machine_.buffers();
    appliance_.free_buffers = [this] { return machine_.free_buffers(); };
    appliance_.kernel_figures = [this] { return ways_.figures(); };
    appliance_.tsc_hz = Machine::tsc_hz();
    appliance_.ask = [this](unsigned worker, Request request, Machine::Answered done) {
      return machine_.ask(io_, worker, std::move(request), std::move(done));
    };
    appliance_.describe_path = [this](const IpAddress& destination) { return ways_.describe(destination); };
    appliance_.report_of = [this](const std::string& service, const std::string& dip) {
      return load_.last(service, dip);
    };
    appliance_.apply = [this](const config::Model& next, const maps::ChangeOptions& options) {
      return apply(next, options);
    };
  }

  // Diff, then apply: commands and reloads are one path.
  std::vector<std::string> apply(const config::Model& next, const maps::ChangeOptions& options) {
    verdicts_.flush();  // of the DIPs as they are
    const std::vector<config::Action> actions = config::diff(live_.model(), next);
    std::vector<std::string> done;
    done.reserve(actions.size());
    for (const config::Action& action : actions) done.push_back(config::describe(action));
    if (actions.empty()) return done;
    maps::ChangeOptions how = options;
    how.new_ones_join = appliance_.ready;  // before that, all DIPs count as up
    if (const auto refused = live_.replace(config::apply(live_.model(), actions), how))
      throw rpc::Error(*refused);
    health_->configure(live_.model().services);
    verdicts_.flush();
    keep_addresses();
    spdlog::set_level(spdlog::level::from_str(live_.model().control.log_level));
    for (const std::string& sentence : done) spdlog::info("{}", sentence);
    return done;
  }

  void tick() {
    machine_.publisher().reclaim();
    live_.tick(maps::Clock::now());
    load_.tick();
    rpc::sample_rates(appliance_);
    name_liars();
    machine_.renew_kernel_interfaces();
    ticker_.expires_after(std::chrono::seconds(1));
    ticker_.async_wait([this](const boost::system::error_code& error) {
      if (!error) tick();
    });
  }

  // The NIC truth test: a port whose RSS hash was found wrong is named once; its hashes are ignored.
  void name_liars() {
    for (unsigned i = 0; i < appliance_.ports.size(); ++i) {
      if (totals_.port(i).rss_wrong == 0 || !liars_.insert(i).second) continue;
      spdlog::warn(
          "port {} gives RSS hashes that are not those of the configured key and fields: they are ignored",
          appliance_.ports[i].name);
    }
  }

  // Packets flow when the workers run and the ways to the DIPs that can be known are known; an unreachable
  // DIP is a sentence in the log, not a reason to wait for ever.
  void wait_for_ready() {
    const bool known = ways_.known() && (!ways_.kernel() || live_.unreachable().empty());
    if (!known && ++ready_tries_ < kReadyTries) {
      ready_timer_.expires_after(kReadyPoll);
      ready_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) wait_for_ready();
      });
      return;
    }
    for (const std::string& remark : machine_.remarks()) spdlog::warn("{}", remark);
    for (const std::string& sentence : live_.unreachable()) spdlog::warn("{}", sentence);
    if (dataplane().hash_key.empty()) {
      spdlog::info("hash key {} was made at random{}; other MUXes of this VIP need the same one in hash_key",
                   appliance_.hash_key_id, succession_.key_was_there() ? " before the restart" : "");
    }
    health_->configure(live_.model().services);
    keep_addresses();
    appliance_.ready = true;
    routes_.begin();
    watchdog_.emplace(io_,
                      supervise::watch_workers(appliance_.workers, live_, [this] { routes_.withdraw(); }));
    spdlog::info("ready");
    sd_notify(0, "READY=1");
    restart::tell_ready();
  }

  void wait_for_reload(boost::asio::signal_set& reload) {
    reload.async_wait([this, &reload](const boost::system::error_code& error, int) {
      if (error) return;
      try {
        doors_->reload();
      } catch (const rpc::Error& refused) {
        spdlog::error("reload: {}", refused.what());
      }
      wait_for_reload(reload);
    });
  }

  void log_balance() const {
    for (unsigned i = 0; i < appliance_.ports.size(); ++i) {
      const metrics::PortTotals t = totals_.port(i);
      spdlog::info("port {}: rx {} + created {} = tx {} + punted {} + dropped {} + held {}",
                   appliance_.ports[i].name, t.rx_packets, t.created_packets, t.tx_packets, t.punted_packets,
                   t.dropped_packets, t.held_packets);
      for (unsigned r = 0; r < kDropReasons; ++r) {
        if (t.dropped[r])
          spdlog::info("port {}: {} {}", appliance_.ports[i].name, kDropReasonTexts[r].word, t.dropped[r]);
      }
    }
  }

  static constexpr unsigned kReadyTries = 50;
  static constexpr std::chrono::milliseconds kReadyPoll{100};

  boost::asio::io_context io_;
  Succession succession_;
  Machine machine_;
  Ways ways_;
  maps::Live live_;
  load::Desk load_{io_, live_, [](const std::string& sentence) { spdlog::info("{}", sentence); }};
  std::shared_ptr<health::DataPath> data_path_;
  health::Verdicts verdicts_{io_, [this](const auto& news) { publish(news); }};
  std::unique_ptr<health::Monitor> health_;
  std::unique_ptr<announce::Announcer> announcer_;
  std::unique_ptr<pool::Pool> pool_;
  route::Announcer routes_;
  health::Doctor doctor_;
  metrics::Totals totals_;
  metrics::Rates rates_;
  rpc::Appliance appliance_;
  std::optional<Doors> doors_;
  boost::asio::steady_timer ticker_{io_}, ready_timer_{io_}, leave_timer_{io_};
  std::optional<supervise::Watchdog> watchdog_;
  std::set<unsigned> liars_;
  unsigned ready_tries_ = 0;
  bool machine_running_ = false, leaving_ = false, keeping_ = false;
};

int run(const Arguments& arguments) {
  std::optional<config::Model> model = read_configuration(arguments.config_file);
  if (!model) return kWrongUse;
  if (arguments.check) return kDone;
  start_log(model->control.log_level);
  try {
    if (arguments.background) restart::go_to_background();
    confine::Confinement confinement(confine::plan_for(*model));
    Sluiced sluiced(*model, arguments.config_file, arguments.take_over);
    confine::confine(confinement);
    return sluiced.run();
  } catch (const std::exception& failure) {
    spdlog::critical("{}", failure.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);
  sluice::Arguments arguments;
  CLI::App app("sluiced: a load balancer on DPDK", "sluiced");
  app.add_option("-c,--config", arguments.config_file, "configuration file")->required();
  app.add_flag("--check", arguments.check, "parse and validate the file, touch no port, and exit");
  app.add_flag("--take-over", arguments.take_over,
               "get ready beside the sluiced that runs, then stop it and go on in its place");
  app.add_flag("--background", arguments.background,
               "come back when it is ready; the process goes on by itself");
  app.set_version_flag("--version", SLUICE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : sluice::kWrongUse;
  }
  return sluice::run(arguments);
} catch (const std::exception& failure) {  // of the command line's own making
  std::fprintf(stderr, "sluiced: %s\n", failure.what());
  return sluice::kFailed;
}
