// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Capabilities by name, and what a configuration needs of them after the start.
#include "control/config/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include "control/confine/confine.h"

namespace sluice::confine {
namespace {

constexpr CapabilitySet set_of(std::initializer_list<unsigned> all) {
  CapabilitySet set = 0;
  for (const unsigned one : all) set |= CapabilitySet{1} << one;
  return set;
}

config::Model model_with(const std::string& device, const std::string& kernel_interface) {
  config::Model model;
  config::Port port;
  port.device = device;
  port.kernel_interface = kernel_interface;
  model.dataplane.ports.push_back(port);
  return model;
}

TEST(Capabilities, HaveNamesWithAndWithoutPrefix) {
  EXPECT_EQ(config::capability_named("net_admin"), std::optional(unsigned{CAP_NET_ADMIN}));
  EXPECT_EQ(config::capability_named("cap_net_admin"), std::optional(unsigned{CAP_NET_ADMIN}));
  EXPECT_FALSE(config::capability_named("net_adm"));
  EXPECT_FALSE(config::capability_named(""));
  EXPECT_EQ(config::names_of(set_of({CAP_NET_RAW, CAP_NET_ADMIN})), "net_admin net_raw");
  EXPECT_EQ(config::names_of(0), "none");
}

TEST(Capabilities, AutoStandsForWhatTheRestNeeds) {
  const CapabilitySet needs = set_of({CAP_NET_RAW});
  EXPECT_EQ(config::capabilities_of("auto", needs), needs);
  EXPECT_EQ(config::capabilities_of("", needs), 0u);
  EXPECT_EQ(config::capabilities_of(" auto  kill ", needs), set_of({CAP_NET_RAW, CAP_KILL}));
}

TEST(Capabilities, OfAPortWithAKernelInterfaceAreTheNetworks) {
  EXPECT_EQ(needed_by(model_with("net_af_packet0,iface=eth1", "sluice0")),
            set_of({CAP_NET_ADMIN, CAP_NET_RAW}));
}

TEST(Capabilities, OfAPortThatReadsAFileAreNone) {
  EXPECT_EQ(needed_by(model_with("net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap", "")), 0u);
}

TEST(Capabilities, OfACardPinMemory) {
  EXPECT_EQ(needed_by(model_with("0000:3b:00.0", "sluice0")),
            set_of({CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK}));
}

TEST(Capabilities, OfAnXdpPortTakeItsProgramBack) {
  EXPECT_EQ(needed_by(model_with("net_af_xdp0,iface=eth1", "")),
            set_of({CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF}));
}

TEST(Capabilities, OfAPoolOnALowPortBindIt) {
  config::Model model = model_with("net_af_packet0,iface=eth1", "");
  model.pool.name = "west";
  model.pool.port = 694;
  EXPECT_EQ(needed_by(model), set_of({CAP_NET_RAW, CAP_NET_BIND_SERVICE}));
}

TEST(Capabilities, OfTheOperatorAreTaken) {
  config::Model model = model_with("net_af_packet0,iface=eth1", "");
  model.control.capabilities = "sys_nice";
  EXPECT_EQ(plan_for(model).keep, set_of({CAP_SYS_NICE}));
}

}  // namespace
}  // namespace sluice::confine
