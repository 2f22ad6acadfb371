// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The file by which one process leaves its state to the next (F4, docs/restart.md), as a container: sections
// of bytes, each with its kind, its number and its checksum. What is in them is written and read elsewhere.
//
//   header   magic, version, boot, time, where the directory is, checksums     64 bytes
//   section  ...
//   directory  kind, number, offset, bytes, checksum of each section           32 bytes each
//
// Little endian. The file is written under another name and renamed when it is whole, belongs to its writer
// alone (0600: it may hold the hash key), and has lost its name before it is read, so that none is used twice
// and none that ends the program is met again. Of a reader's input nothing is believed: a file that is cut
// short, mutated, of another version, of another boot or too old is refused with a sentence, and a section
// whose checksum is wrong is refused by itself. The checksum (CRC-32C) finds accidents; who can write files
// as root needs no forgery.
//
// Control thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice::restart {

inline constexpr std::uint32_t kStateVersion = 1;
// TCP clients have given up, or another MUX has taken over, and both know better than we what is.
inline constexpr std::chrono::seconds kStateMostAge{120};
inline constexpr std::uint32_t kMostSections = 1u << 20;

enum class SectionKind : std::uint32_t { kControl = 1, kFlowsV4 = 2, kFlowsV6 = 3 };

struct Section {
  SectionKind kind{};
  std::uint32_t number = 0;  // tells sections of a kind apart
  std::uint64_t offset = 0, bytes = 0;
  std::uint32_t crc = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(Section) == 32);

struct StateHeader {
  std::array<char, 8> magic{};
  std::uint32_t version = 0;
  std::uint32_t sections = 0;
  std::uint64_t bytes = 0;      // of the file
  std::uint64_t directory = 0;  // offset
  std::array<std::uint8_t, 16> boot{};
  std::int64_t written_ns = 0;  // CLOCK_BOOTTIME
  std::uint32_t directory_crc = 0;
  std::uint32_t crc = 0;  // of this header, with 0 here
};
static_assert(sizeof(StateHeader) == 64);

// Where and when: which boot of the machine this is, and the time since it. Tests make their own.
struct Moment {
  std::array<std::uint8_t, 16> boot{};
  std::chrono::nanoseconds since_boot{0};

  static Moment now();
};

// One sentence that names the file and the reason.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class StateWriter {
 public:
  // Begins `path` under another name in its directory. All calls throw Refused when the system refuses
  // (no such directory, no room): then the file is not there.
  explicit StateWriter(std::string path);
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  void begin(SectionKind kind, std::uint32_t number);
  void append(std::span<const std::byte> bytes);  // to the section begun last
  // From here on the file is there, under its name.
  void finish(const Moment& moment);
  [[nodiscard]] std::uint64_t bytes() const { return at_; }

 private:
  void write_at(std::span<const std::byte> bytes, std::uint64_t offset);

  std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t at_ = sizeof(StateHeader);
  std::vector<Section> sections_;
  bool finished_ = false;
};

class StateReader {
 public:
  // Opens the file, takes its name away, and judges all but the sections' content. Nothing when there is no
  // file. With the reader the file is gone.
  // `writer`: who, besides root and this user, may have written it.
  static std::optional<StateReader> take(const std::string& path, const Moment& moment,
                                         std::optional<unsigned> writer = {});

  StateReader(StateReader&& other) noexcept;
  StateReader& operator=(StateReader&& other) noexcept;
  ~StateReader();
  // It was not used after all: it has its name again, for the next one.
  void put_back();

  [[nodiscard]] const std::vector<Section>& sections() const { return sections_; }
  [[nodiscard]] std::chrono::nanoseconds age() const { return age_; }  // when it was taken
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // The content of a section of sections(), or nothing when its checksum is wrong.
  [[nodiscard]] std::optional<std::span<const std::byte>> read(const Section& section) const;

 private:
  explicit StateReader(std::string path) : path_(std::move(path)) {}
  void map(const std::string& path, int fd, std::optional<unsigned> writer);
  void judge(const std::string& path, const Moment& moment);

  std::string path_;                   // "" = not ours any more
  const std::byte* memory_ = nullptr;  // the file, mapped
  std::uint64_t bytes_ = 0;
  std::vector<Section> sections_;
  std::chrono::nanoseconds age_{0};
};

// CRC-32C of `bytes`, going on from `crc` (0 to begin).
[[nodiscard]] std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t crc = 0);

}  // namespace sluice::restart
