// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What configure_interface leaves in this machine's kernel, as iproute2 shows it.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>

#include "control/neighbor/kernel.h"
#include "tests/unit/neighbor/mux.h"

namespace sluice::neighbor::test {
namespace {

// What the kernel shows, one line a fact.
std::string shown(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  for (std::array<char, 256> part; std::fgets(part.data(), part.size(), pipe);) text += part.data();
  pclose(pipe);
  return text;
}
std::string shown_addresses() {
  return shown("ip -br -o addr show dev sluice0 scope global | tr -s ' '");
}
std::string shown_default(const std::string& family) {
  return shown("ip " + family + " route show default | tr -s ' '");
}

TEST(ConfigureInterface, SetsMacMtuAddressesAndDefaultRoutesAndRepeatingItChangesNothing) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    InterfaceSettings settings = port_settings();
    settings.mtu = 1480;
    EXPECT_EQ(mux.tables.configure_interface(settings).value_or(""), "");
    EXPECT_EQ(shown("ip addr show dev sluice0 scope global tentative"), "") << "usable at once";
    EXPECT_NE(shown("ip -6 addr show dev sluice0 scope global").find("nodad"), std::string::npos);
    const std::string addresses = shown_addresses();
    EXPECT_EQ(addresses.find("DOWN"), std::string::npos) << addresses;
    EXPECT_NE(addresses.find(" 10.0.0.10/24 2001:db8::10/64"), std::string::npos) << addresses;
    EXPECT_EQ(shown_default("-4"), "default via 10.0.0.1 dev sluice0 proto 201 metric 4096 onlink \n");
    EXPECT_EQ(shown_default("-6"),
              "default via 2001:db8::1 dev sluice0 proto 201 metric 4096 onlink pref medium\n");
    EXPECT_EQ(shown("sysctl -n net.ipv6.conf.sluice0.accept_ra_defrtr"), "0\n");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_TRUE(mux.until_all_addresses(2));
    EXPECT_EQ(shown("ip addr show dev sluice0 tentative"), "") << "the link-local one as well";
    EXPECT_TRUE(mux.until_quiet());
    const Link* port = mux.tables.mirror().link("sluice0");
    ASSERT_TRUE(port);
    EXPECT_EQ(*port,
              (Link{port->ifindex, "sluice0", parse_mac("02:00:00:00:00:10").value(), 1480, true, true}));
    const int changes = mux.changes;
    EXPECT_EQ(mux.tables.configure_interface(settings).value_or(""), "");
    EXPECT_EQ(shown_addresses(), addresses);
    EXPECT_TRUE(mux.until_quiet());
    EXPECT_EQ(mux.changes, changes);
  });
}

TEST(ConfigureInterface, ReplacesWhatItSetAndLeavesWhatOthersAdded) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    run("ip addr add 10.0.0.200/24 dev sluice0");
    run("ip route add default via 10.0.0.9 metric 5 proto static");
    InterfaceSettings other = port_settings();
    other.addresses = {{ip("10.0.0.11"), 24}};
    other.gateway = ip("10.0.0.2");
    other.gateway6.reset();
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    const std::string addresses = shown_addresses();
    EXPECT_NE(addresses.find("10.0.0.11/24"), std::string::npos) << addresses;
    EXPECT_NE(addresses.find("10.0.0.200/24"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("10.0.0.10/24"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("2001:db8::10"), std::string::npos) << addresses;
    EXPECT_EQ(shown_default("-4"),
              "default via 10.0.0.9 dev sluice0 proto static metric 5 \n"
              "default via 10.0.0.2 dev sluice0 proto 201 metric 4096 onlink \n");
    EXPECT_EQ(shown_default("-6"), "");
    other.up = false;
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_NE(shown_addresses().find("DOWN"), std::string::npos);
    other.up = true;
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_EQ(shown_default("-4"), "default via 10.0.0.2 dev sluice0 proto 201 metric 4096 onlink \n");
  });
}

TEST(ConfigureInterface, TakesOverAnInterfaceThatAProcessBeforeLeft) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    InterfaceSettings settings = port_settings();
    {
      Mux before;
      EXPECT_EQ(before.tables.configure_interface(settings).value_or(""), "");
    }
    run("ip addr add 10.0.0.77/24 dev sluice0");
    run("ip addr add 2001:db8::77/64 dev sluice0 nodad");
    Mux next;
    settings.was_kept = true;
    EXPECT_EQ(next.tables.configure_interface(settings).value_or(""), "");
    const std::string addresses = shown_addresses();
    EXPECT_NE(addresses.find(" 10.0.0.10/24 2001:db8::10/64"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("::77"), std::string::npos) << addresses;
    EXPECT_EQ(shown_default("-4"), "default via 10.0.0.1 dev sluice0 proto 201 metric 4096 onlink \n");
    run("ip addr add 10.0.0.78/24 dev sluice0");
    EXPECT_EQ(next.tables.configure_interface(settings).value_or(""), "");
    EXPECT_NE(shown_addresses().find("10.0.0.78/24"), std::string::npos) << "others' addresses stay later on";
  });
}

TEST(ConfigureInterface, TwoPortsWithGatewaysStandInTheOrderOfTheConfiguration) {
  in_fresh_namespace([] {
    const Tap first("sluice0"), second("sluice1");
    Mux mux;
    InterfaceSettings other;
    other.name = "sluice1";
    other.addresses = {{ip("10.9.0.10"), 24}};
    other.gateway = ip("10.9.0.1");
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
    run("ip link set sluice0 down");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.9.0.1"); }));
  });
}

TEST(ConfigureInterface, SaysWhatFailedAndWhere) {
  in_fresh_namespace([] {
    Mux mux;
    InterfaceSettings settings = port_settings();
    EXPECT_EQ(mux.tables.configure_interface(settings),
              "interface sluice0: looking it up failed: No such device");
    const Tap tap("sluice0");
    settings.mtu = 30;
    const std::string mtu = mux.tables.configure_interface(settings).value_or("");
    EXPECT_NE(mtu.find("interface sluice0: setting the MAC address 02:00:00:00:00:10, setting the MTU to 30"),
              std::string::npos)
        << mtu;
    settings = port_settings();
    settings.gateway = ip("10.0.0.10");
    const std::string gateway = mux.tables.configure_interface(settings).value_or("");
    EXPECT_NE(gateway.find("setting the default route via 10.0.0.10 with priority 4096 failed"),
              std::string::npos)
        << gateway;
    run("ip route add default via 10.0.0.9 dev sluice0 metric 4096");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()),
              "interface sluice0: setting the default route via 10.0.0.1 with priority 4096 failed: "
              "somebody else's default route has this priority");
    settings.name = "much-too-long-a-name";
    EXPECT_EQ(mux.tables.configure_interface(settings),
              "interface \"much-too-long-a-name\": a name has 1 to 15 characters");
  });
}

// A TAP that was removed and made anew (dataplane/io/kernel_path.cc), with an IIP on it.
TEST(ConfigureInterface, IsDoneAgainWhenTheInterfaceWasMadeAnew) {
  in_fresh_namespace([] {
    auto tap = std::make_unique<Tap>("sluice0");
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_EQ(mux.tables.add_address("sluice0", {ip("10.0.0.100"), 24}).value_or(""), "");
    EXPECT_EQ(mux.tables.add_address("sluice0", {ip("10.0.0.101"), 24}).value_or(""), "");
    EXPECT_EQ(mux.tables.remove_address("sluice0", {ip("10.0.0.101"), 24}).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_TRUE(mux.until_all_addresses(3));
    const std::string addresses = shown_addresses(), way = shown_default("-4") + shown_default("-6");
    tap.reset();
    EXPECT_TRUE(mux.until([&] { return mux.tables.mirror().link("sluice0") == nullptr; }));
    tap = std::make_unique<Tap>("sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().renewals == 1; }));
    EXPECT_TRUE(mux.until_all_addresses(3));
    EXPECT_EQ(shown_addresses(), addresses);
    EXPECT_EQ(shown_default("-4") + shown_default("-6"), way);
  });
}

TEST(ConfigureInterface, IsDoneAgainWhenTheInterfaceWasDown) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_TRUE(mux.until_all_addresses(2));
    const std::string addresses = shown_addresses(), way = shown_default("-4") + shown_default("-6");
    run("ip link set sluice0 down");
    EXPECT_TRUE(mux.until([&] { return !mux.tables.mirror().link("sluice0")->up; }));
    run("ip link set sluice0 up");
    EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().renewals == 1; }));
    EXPECT_EQ(shown_addresses(), addresses);
    EXPECT_EQ(shown_default("-4") + shown_default("-6"), way);
  });
}

}  // namespace
}  // namespace sluice::neighbor::test
