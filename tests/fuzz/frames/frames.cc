// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Raw frames through all that a worker does, several for each input and with all that happens between them:
// time, changes of the configuration, deaths of servers, health probes, questions, full queues. An input is a
// story:
//
//   0..a  how, 2 length, bytes   a frame comes in (Arrival by the bits of `how`; 0x80: together with the
//   next) b     how, 2 length, bytes   the kernel sends a frame; before that port 2 stands for target `how`
//   c     2 time                 milliseconds; with the highest bit, seconds
//   d     what, whom, where      a change (Control::change); what 0xff: it is not published yet
//   e     what, 40 about         a question (Rig::ask)
//   f     what, left             trouble: full ports, a full queue to the kernel, no buffers
//
// The upper half of the first byte means nothing. (F6.)
#include <algorithm>

#include "tests/fuzz/frames/rig.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {
namespace {

constexpr unsigned kMostSteps = 256, kQuestionBytes = 40, kMostSeconds = 1000;

void frame_comes_in(Rig& rig, Input& input) {
  const std::uint8_t how = input.number8();
  const std::size_t bytes = std::min<std::size_t>(input.number16(), Rig::kMostFrameBytes);
  rig.receive(input.bytes(bytes), {.port = how & 1u,
                                   .repair_checksum = !(how & 2),
                                   .nic_says_checksum_good = (how & 4) != 0,
                                   .nic_hashes = (how & 8) != 0,
                                   .nic_lies = (how & 0x18) == 0x18,
                                   .in_two_segments = (how & 0x70) == 0x20,
                                   .without_headroom = (how & 0x70) == 0x40});
  if (!(how & 0x80)) rig.turn();
}

void kernel_sends(Rig& rig, Input& input) {
  const std::uint8_t target = input.number8();
  const std::size_t bytes = std::min<std::size_t>(input.number16(), Rig::kMostFrameBytes);
  rig.set_probe_port(ProbePorts::kFirst + 2, target);
  rig.kernel_sends(input.bytes(bytes));
  rig.turn();
}

void time_passes(Rig& rig, Input& input) {
  const unsigned time = input.number16();
  rig.pass_ms(time & 0x8000 ? std::min(time & 0x7fff, kMostSeconds) * 1000 : time);
}

void trouble_comes(Rig& rig, Input& input) {
  const std::uint8_t what = input.number8(), left = input.number8();
  if (what & 1) rig.let_ports_fill_up(left);
  if (what & 2) rig.let_kernel_fill_up(left);
  if (what & 4) rig.let_buffers_run_out(left);
}

void step(Rig& rig, Input& input) {
  switch (input.number8() & 15) {
    default:
      return frame_comes_in(rig, input);
    case 11:
      return kernel_sends(rig, input);
    case 12:
      return time_passes(rig, input);
    case 13: {
      const std::uint8_t what = input.number8(), whom = input.number8(), where = input.number8();
      rig.control.change(what, whom, where);
      if (what != 0xff) rig.publish();
      return;
    }
    case 14: {
      const std::uint8_t what = input.number8();
      return rig.ask(what, input.bytes(kQuestionBytes));
    }
    case 15:
      return trouble_comes(rig, input);
  }
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  Rig rig;
  for (unsigned steps = 0; !input.empty() && steps < kMostSteps; ++steps) step(rig, input);
  return 0;
}
