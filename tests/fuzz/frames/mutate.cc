// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How an input of the frames' target becomes another one: mostly by whole steps (frames.cc says what a step
// is), since a byte more in front of a length would make noise of all that follows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace sluice::fuzz {
namespace {

using Step = std::vector<std::uint8_t>;

constexpr std::size_t kFrameHead = 4, kMostFrame = 2048;

bool is_frame(const Step& step) {
  return (step[0] & 15) <= 11 && step.size() >= kFrameHead;
}

std::vector<Step> steps_of(const std::uint8_t* data, std::size_t size) {
  std::vector<Step> steps;
  for (std::size_t at = 0; at < size;) {
    std::size_t bytes = 3;  // time, trouble
    const unsigned kind = data[at] & 15;
    if (kind <= 11) bytes = kFrameHead + (at + 3 < size ? data[at + 2] * 256u + data[at + 3] : 0);
    if (kind == 13) bytes = 4;
    if (kind == 14) bytes = 42;
    bytes = std::min(bytes, size - at);
    steps.emplace_back(data + at, data + at + bytes);
    at += bytes;
  }
  return steps;
}

// Anything but its kind and, of a frame, its length, which follows.
void mutate(Step& step) {
  if (step.size() < 2) return;
  if (!is_frame(step)) {
    LLVMFuzzerMutate(step.data() + 1, step.size() - 1, step.size() - 1);
    return;
  }
  Step frame(step.begin() + kFrameHead, step.end());
  const std::size_t before = frame.size();
  frame.resize(std::min(before + 64, kMostFrame));
  frame.resize(LLVMFuzzerMutate(frame.data(), std::min(before, frame.size()), frame.size()));
  step.resize(kFrameHead);
  step[2] = static_cast<std::uint8_t>(frame.size() >> 8);
  step[3] = static_cast<std::uint8_t>(frame.size());
  step.insert(step.end(), frame.begin(), frame.end());
}

Step something_between(std::mt19937& random) {
  const auto byte = [&] { return static_cast<std::uint8_t>(random()); };
  switch (random() % 4) {
    case 0:
      return {12, static_cast<std::uint8_t>(random() % 2 ? 0x80 : 0),
              static_cast<std::uint8_t>(random() % 32)};
    case 1:
      return {15, static_cast<std::uint8_t>(random() % 8), static_cast<std::uint8_t>(random() % 16)};
    default:
      return {13, byte(), byte(), byte()};
  }
}

void change(std::vector<Step>& steps, std::mt19937& random) {
  const auto at = [&] { return static_cast<std::ptrdiff_t>(random() % steps.size()); };
  switch (random() % 8) {
    case 0:
      if (steps.size() > 1) steps.erase(steps.begin() + at());
      break;
    case 1:
      steps.insert(steps.begin() + at(), Step(steps[random() % steps.size()]));
      break;
    case 2:
      std::swap(steps[random() % steps.size()], steps[random() % steps.size()]);
      break;
    case 3:
      steps.insert(steps.begin() + at(), something_between(random));
      break;
    default:
      mutate(steps[random() % steps.size()]);
  }
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned seed) {
  using namespace sluice::fuzz;
  std::mt19937 random(seed);
  std::vector<Step> steps = steps_of(data, size);
  if (steps.empty() || random() % 8 == 0) return LLVMFuzzerMutate(data, size, most);
  for (unsigned changes = 1 + random() % 3; changes > 0; --changes) change(steps, random);
  std::size_t bytes = 0;
  for (const Step& step : steps) {
    const std::size_t taken = std::min(step.size(), most - bytes);
    std::memcpy(data + bytes, step.data(), taken);
    bytes += taken;
  }
  return bytes;
}
