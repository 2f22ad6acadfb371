// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Whom the doctor lets in because he cannot walk there. What he finds where he can is for the lab.
#include "control/health/doctor.h"

#include <map>

#include "tests/unit/health/monitors.h"

namespace sluice::health {
namespace {

class TheDoctor : public testing::Test {
 protected:
  Finding admit(const config::Service& service) {
    std::optional<Finding> found;
    doctor_.admit(service, dip("127.0.0.9:80"), [&](const Finding& finding) { found = finding; });
    EXPECT_FALSE(found.has_value()) << "later, not at once";
    EXPECT_TRUE(run_until(io_, [&] { return found.has_value(); }));
    return found.value_or(Finding{});
  }
  static config::Service web(config::Health health = quick(HealthType::kTcp, 0)) {
    return service("web", std::move(health), {});
  }

  boost::asio::io_context io_;
  Doctor doctor_{io_,
                 {.data_path = nullptr,
                  .path_to = [](const IpAddress&) { return maps::Path{}; },
                  .describe_path = [](const IpAddress&) { return std::string("nowhere"); }}};
};

TEST_F(TheDoctor, LetsInWhomHeCannotWalkTo) {
  std::map<std::string, config::Service> services;
  services["no port has a kernel_interface"] = web();
  services["only TCP and UDP services can be asked like that"] = web();
  services["only TCP and UDP services can be asked like that"].protocol = config::Protocol::kSctp;
  config::Service& udp =
      services["the service is UDP, and its health section has no question of type udp to ask"] = web();
  udp.protocol = config::Protocol::kUdp;
  config::Service& beside = services["the health section asks port 9000, which is not the service's"] =
      web(quick(HealthType::kUdp, 9000));
  beside.protocol = config::Protocol::kUdp;
  config::Service& every = services["the service takes more than one port, and no probe asks the VIP"] =
      web(quick(HealthType::kTcp, 80));
  every.port = 0;
  services["the VIP is a whole prefix, and no probe asks an address of it"] = web();
  services["the VIP is a whole prefix, and no probe asks an address of it"].vip =
      *parse_prefix("203.0.113.0/24");
  for (const auto& [why, service] : services) {
    const Finding finding = admit(service);
    EXPECT_FALSE(finding.refused);
    EXPECT_EQ(finding.text, "the doctor cannot tell: " + why);
  }
}

TEST_F(TheDoctor, SeesAThousandInTurn) {
  unsigned done = 0;
  const config::Service service = web();
  for (unsigned i = 0; i < 1000; ++i)
    doctor_.admit(service, dip("127.0.0.9:80"), [&](const Finding&) { ++done; });
  EXPECT_TRUE(run_until(io_, [&] { return done == 1000; }));
}

}  // namespace
}  // namespace sluice::health
