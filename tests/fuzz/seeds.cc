// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Writes the first inputs of the frames' fuzz target into a directory: every packet fixture as one input, and
// stories of several steps, in the form that frames/frames.cc reads.
//
//   fuzz_seeds DIRECTORY
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

class Story {
 public:
  Story& frame(const Bytes& frame, unsigned how = 0) { return counted(0, how, frame); }
  Story& together(const Bytes& frame) { return counted(0, 0x80, frame); }
  Story& from_kernel(const Bytes& frame, unsigned target) { return counted(11, target, frame); }
  Story& seconds(unsigned count) {
    return step({12, static_cast<std::uint8_t>(0x80 | count >> 8), low(count)});
  }
  Story& change(unsigned what, unsigned whom, unsigned where) {
    return step({13, low(what), low(whom), low(where)});
  }
  Story& question(unsigned what) {
    step({14, low(what)});
    bytes_.resize(bytes_.size() + 40, 0x11);
    return *this;
  }
  Story& trouble(unsigned what, unsigned left) { return step({15, low(what), low(left)}); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  static std::uint8_t low(unsigned number) { return static_cast<std::uint8_t>(number); }
  Story& step(const Bytes& bytes) {
    append(bytes_, bytes);
    return *this;
  }
  Story& counted(unsigned step_, unsigned how, const Bytes& frame) {
    const Bytes cut = slice(frame, 0, 2048);
    step({low(step_), low(how), low(static_cast<unsigned>(cut.size()) >> 8),
          low(static_cast<unsigned>(cut.size()))});
    return step(cut);
  }
  Bytes bytes_;
};

std::string file_name(const std::string& sentence) {
  std::string name;
  for (const char c : sentence) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return name.substr(0, 80);
}

void write(const std::filesystem::path& file, const Bytes& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Packet web(unsigned port) {
  return packet().ipv4(kClient, kWeb).tcp(port, 80);
}

// A life of some connections to the service of this number, and a change of each kind in the middle of them.
Story change_under_flows(std::string_view vip, unsigned service, unsigned what) {
  Story story;
  const bool v4 = vip.find(':') == std::string_view::npos;
  const auto to = [&](unsigned port) {
    return v4 ? packet().ipv4(kClient, vip).tcp(port, 80) : packet().ipv6(kClient6, vip).tcp(port, 80);
  };
  for (unsigned n = 0; n < 4; ++n) story.together(to(2000 + n).syn());
  for (unsigned n = 0; n < 4; ++n) story.frame(to(2000 + n).ack(), n % 2);
  story.change(what, service, 0x13);
  for (unsigned n = 0; n < 6; ++n) story.frame(to(2000 + n).ack().payload(100), 8);
  story.seconds(3).question(1).question(0).frame(to(2001).l4_byte(13, 0x11));
  story.change(what, service, 1).frame(to(2001).syn()).seconds(20).frame(to(2002).ack());
  return story;
}

void write_stories(const std::filesystem::path& directory) {
  for (unsigned what = 0; what < 7; ++what) {
    write(directory / ("change-group-" + std::to_string(what)), change_under_flows(kWeb, 0, what).bytes());
    write(directory / ("change-groups-" + std::to_string(what)),
          change_under_flows(kGroupsVip, 15, what | 0x40 * (what % 2)).bytes());
    write(directory / ("change-six-" + std::to_string(what)), change_under_flows(kWeb6, 1, what).bytes());
  }
  for (unsigned what = 0x80; what < 0x86; ++what)
    write(directory / ("change-service-" + std::to_string(what)), change_under_flows(kWeb, 0, what).bytes());
  Story elephant;
  elephant.frame(web(3000).syn());
  for (unsigned n = 0; n < 40; ++n) elephant.frame(web(3000).ack().payload(300), n % 2);
  elephant.question(2).change(0x84, 0, 0).frame(web(3000).ack()).question(3);
  write(directory / "elephant", elephant.bytes());

  Story pieces;
  auto cut = in_pieces(packet().ipv4(kClient, kDns).id(7).udp(5000, 53).payload(900), 256);
  for (auto piece = cut.rbegin(); piece != cut.rend(); ++piece) pieces.frame(*piece);
  for (const Bytes& piece : in_pieces(packet().ipv6(kClient6, kDns6).udp(5001, 53).payload(700), 256))
    pieces.together(piece);
  pieces.frame(cut.at(1)).seconds(1).frame(cut.at(2));
  write(directory / "fragments", pieces.bytes());

  Story subscriber;
  subscriber.frame(packet()
                       .ipv4(kClient, "203.0.113.61")
                       .udp(1813, 1813)
                       .payload(radius_accounting(kRadiusStart, "100.64.0.1")));
  subscriber.frame(packet().ipv4("100.64.0.1", "203.0.113.61").tcp(1000, 443).syn());
  subscriber.frame(packet()
                       .ipv4(kClient, "203.0.113.61")
                       .udp(1813, 1813)
                       .payload(radius_accounting(kRadiusStop, "100.64.0.1")));
  subscriber.frame(packet()
                       .ipv4(kClient, "203.0.113.62")
                       .udp(67, 67)
                       .payload(dhcp_message(kDhcpRequest, "100.64.0.2", "")));
  subscriber.frame(packet()
                       .ipv4(kClient, "203.0.113.62")
                       .udp(67, 67)
                       .payload(dhcp_message(kDhcpRelease, "", "100.64.0.2")));
  subscriber.frame(
      packet().ipv4(kClient, "203.0.113.60").udp(2123, 2123).payload(gtp1_message(kCreatePdpContext)));
  subscriber.frame(
      packet().ipv4(kClient, "203.0.113.60").udp(2123, 2123).payload(gtp2_message(kCreateSession)));
  write(directory / "subscribers", subscriber.bytes());

  Story trouble;
  trouble.trouble(1, 2).together(web(4000).syn()).together(web(4001).syn()).together(web(4002).syn());
  trouble.frame(web(4003).syn()).trouble(2, 1).frame(packet().ether_type(0x0806).payload(28));
  trouble.frame(packet().ether_type(0x0806).payload(28)).trouble(4, 2);
  trouble.frame(packet().ipv4(kClient, kNarrowVip).udp(1, 53).payload(1450));
  write(directory / "trouble", trouble.bytes());

  Story probe;
  for (unsigned target = 0; target < 4; ++target)
    probe.from_kernel(packet().ipv4(kMuxV4, kWeb).tcp(0xf002, 80).syn(), target);
  probe.from_kernel(packet().ipv6(kMuxV6, kWeb6).tcp(0xf002, 80).syn(), 200);
  probe.from_kernel(packet().ipv4(kMuxV4, kNarrowVip).udp(0xf002, 53).payload(1450), 30);
  write(directory / "probes", probe.bytes());
}

}  // namespace
}  // namespace sluice::test

int main(int argc, char** argv) {
  using namespace sluice::test;
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  std::filesystem::create_directories(directory);
  for (const Fixture& fixture : all_fixtures()) {
    Story story;
    for (std::size_t i = 0; i < fixture.in.size() && i < 12; ++i) story.together(fixture.in[i]);
    write(directory / file_name(fixture.sentence), story.bytes());
  }
  write_stories(directory);
  return 0;
}
