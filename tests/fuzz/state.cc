// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The file that one process leaves to the next: as bytes that anybody may have written, and as sections under
// right checksums. Whatever it is, the next process starts, and what it took of it is sound. (F4.)
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"
#include "tests/unit/restart/appliance.h"

namespace sluice::fuzz {
namespace {

using restart::SectionKind;
using restart::test::Appliance;

// On a tmpfs, and one for each process.
const std::string& path() {
  static const std::string path = "/dev/shm/sluice-fuzz-" + std::to_string(getpid());
  return path;
}

void write_raw(std::span<const std::uint8_t> bytes) {
  std::ofstream(path(), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Each section: kind, number, 2 length, bytes.
void write_sections(Input& input) {
  restart::StateWriter file(path());
  while (!input.empty()) {
    const auto kind = static_cast<SectionKind>(input.number8() % 5);
    file.begin(kind, input.number8());
    file.append(std::as_bytes(input.bytes(input.number16())));
  }
  file.finish(restart::Moment::now());
}

const config::Model& model() {
  using restart::test::dip;
  static const config::Model model = restart::test::model_of(
      restart::test::web(dip("10.1.0.11") + ", " + dip("10.1.0.12", 3)) +
      ", { name = \"six\"; vip = \"2001:db8:cb::10\"; port = 80; flows = 1024; groups = ("
      " { name = \"a\"; dips = ( { address = \"2001:db8:1::1\"; } ); },"
      " { name = \"b\"; dips = ( { address = \"2001:db8:1::2\"; } ); } ); }");
  return model;
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  if (input.number8() & 1) {
    write_raw(input.rest());
  } else {
    write_sections(input);
  }
  {
    Appliance appliance(model(), path());
    std::uint64_t flows = 0, counted = 0;
    for (const auto& table : appliance.live.tables_of("")) flows += table.state->flows.size();
    for (const auto& target : appliance.live.directory().targets)
      counted += appliance.counters.target_flows[target.id].get();
    must(flows == counted, "flows that were restored and flows that were counted differ");
    must(access(path().c_str(), F_OK) != 0, "the file is still there");
  }
  unlink(path().c_str());
  return 0;
}
