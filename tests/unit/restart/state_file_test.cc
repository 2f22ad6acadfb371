// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The state file as a container: what was put in comes out, once; what is not whole is refused and named.
#include "control/restart/state_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "tests/unit/restart/directory.h"

namespace sluice::restart {
namespace {

using std::chrono::seconds;
using test::read_all;
using test::TestDirectory;
using test::write_all;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Moment at(int s) {
  return {.boot = {1, 2, 3}, .since_boot = seconds(s)};
}

void write(const std::string& path, const Moment& moment = at(100)) {
  StateWriter file(path);
  file.begin(SectionKind::kControl, 0);
  file.append(bytes_of("what control "));
  file.append(bytes_of("knew"));
  file.begin(SectionKind::kFlowsV4, 7);
  file.append(bytes_of("flows"));
  file.begin(SectionKind::kFlowsV6, 8);
  file.finish(moment);
}

std::string why_not(const std::string& path, const Moment& moment = at(101)) {
  try {
    const auto file = StateReader::take(path, moment);
    return file ? "taken" : "nothing there";
  } catch (const Refused& refused) {
    const std::string what = refused.what();
    EXPECT_EQ(what.find("state file " + path + ": "), 0u) << what;
    return what.substr(what.find(": ") + 2);
  }
}

// After the header's fields were changed; its own checksum is right again.
void change_header(const std::string& path, const std::function<void(StateHeader&)>& change) {
  std::string bytes = read_all(path);
  StateHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  change(header);
  header.crc = 0;
  header.crc = checksum(std::as_bytes(std::span(&header, 1)));
  std::memcpy(bytes.data(), &header, sizeof header);
  write_all(path, bytes);
}

TEST(StateFile, WhatWasPutInComesOut) {
  const TestDirectory directory;
  write(directory.file());
  struct stat status {};
  ASSERT_EQ(::stat(directory.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto file = StateReader::take(directory.file(), at(103));
  ASSERT_TRUE(file);
  ASSERT_EQ(file->sections().size(), 3u);
  EXPECT_EQ(file->sections()[1].kind, SectionKind::kFlowsV4);
  EXPECT_EQ(file->sections()[1].number, 7u);
  EXPECT_EQ(text_of(*file->read(file->sections()[0])), "what control knew");
  EXPECT_EQ(text_of(*file->read(file->sections()[1])), "flows");
  EXPECT_EQ(text_of(*file->read(file->sections()[2])), "");
  EXPECT_EQ(file->age(), seconds(3));
  EXPECT_EQ(file->bytes(), 64u + 24 + 8 + 3 * 32);
}

TEST(StateFile, NothingIsTakenTwice) {
  const TestDirectory directory;
  write(directory.file());
  EXPECT_EQ(why_not(directory.file()), "taken");
  EXPECT_EQ(directory.files(), 0u);
  EXPECT_EQ(why_not(directory.file()), "nothing there");
}

TEST(StateFile, WhatWasPutBackCanBeTaken) {
  const TestDirectory directory;
  write(directory.file());
  StateReader::take(directory.file(), at(101))->put_back();
  EXPECT_EQ(directory.files(), 1u);
  EXPECT_EQ(why_not(directory.file()), "taken");
}

TEST(StateFile, AFileThatIsRefusedIsRemovedToo) {
  const TestDirectory directory;
  write_all(directory.file(), std::string(1000, 'x'));
  EXPECT_EQ(why_not(directory.file()), "is not a state file of Sluice");
  EXPECT_EQ(directory.files(), 0u);
}

TEST(StateFile, AWriterThatFailsLeavesNothing) {
  const TestDirectory directory;
  {
    StateWriter file(directory.file());
    file.begin(SectionKind::kControl, 0);
    file.append(bytes_of("half"));
  }
  EXPECT_EQ(directory.files(), 0u);
  EXPECT_THROW(StateWriter(directory.file("no/such/directory")), Refused);
}

TEST(StateFile, AnUnfinishedFileOfAProcessThatWasKilledIsReplaced) {
  const TestDirectory directory;
  write_all(directory.file() + ".new", "half");
  write(directory.file());
  EXPECT_EQ(directory.files(), 1u);
  EXPECT_EQ(why_not(directory.file()), "taken");
}

TEST(StateFile, AnotherVersionIsRefused) {
  const TestDirectory directory;
  write(directory.file());
  change_header(directory.file(), [](StateHeader& header) { header.version = 7; });
  EXPECT_EQ(why_not(directory.file()), "is of version 7, and this program reads version 1");
}

TEST(StateFile, AnotherBootIsRefused) {
  const TestDirectory directory;
  write(directory.file());
  Moment other = at(101);
  other.boot[15] = 1;
  EXPECT_EQ(why_not(directory.file(), other), "is from before this start of the machine");
}

TEST(StateFile, AnOldOneIsRefused) {
  const TestDirectory directory;
  write(directory.file());
  EXPECT_EQ(why_not(directory.file(), at(221)), "is 121 s old, and after 120 s nobody relies on it any more");
  write(directory.file());
  EXPECT_EQ(why_not(directory.file(), at(99)), "is from the future");
  write(directory.file(), {.boot = {1, 2, 3}, .since_boot = std::chrono::nanoseconds(INT64_MIN)});
  EXPECT_EQ(why_not(directory.file()), "is from the future");
  write(directory.file());
  EXPECT_EQ(why_not(directory.file(), at(220)), "taken");
}

TEST(StateFile, AFileCutShortIsRefusedWhereverItIsCut) {
  const TestDirectory directory;
  write(directory.file());
  const std::string whole = read_all(directory.file());
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_all(directory.file(), whole.substr(0, bytes));
    EXPECT_EQ(why_not(directory.file()).find("is cut short: " + std::to_string(bytes) + " bytes"), 0u);
  }
}

TEST(StateFile, ADirectoryOutsideOfTheFileIsRefused) {
  const TestDirectory directory;
  for (const std::uint64_t offset : {0ull, 1ull, 1'000'000ull, ~0ull, ~0ull - 95}) {
    write(directory.file());
    change_header(directory.file(), [&](StateHeader& header) { header.directory = offset; });
    EXPECT_EQ(why_not(directory.file()), "its directory is not inside it") << offset;
  }
  write(directory.file());
  change_header(directory.file(), [](StateHeader& header) { header.sections = ~0u; });
  EXPECT_EQ(why_not(directory.file()), "its directory is not inside it");
}

TEST(StateFile, ASectionWhoseContentChangedIsRefusedAlone) {
  const TestDirectory directory;
  write(directory.file());
  std::string bytes = read_all(directory.file());
  bytes[bytes.find("flows")] = 'F';
  write_all(directory.file(), bytes);
  const auto file = StateReader::take(directory.file(), at(101));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->read(file->sections()[0]));
  EXPECT_FALSE(file->read(file->sections()[1]));
}

TEST(StateFile, WhatOthersCouldHaveWrittenIsRefused) {
  const TestDirectory directory;
  write(directory.file());
  std::filesystem::permissions(directory.file(), std::filesystem::perms(0620));
  EXPECT_EQ(why_not(directory.file()), "others than this user could have written it");
  write(directory.file("real"));
  std::filesystem::create_symlink(directory.file("real"), directory.file());
  EXPECT_EQ(why_not(directory.file()), "cannot be opened: Too many levels of symbolic links");
  EXPECT_TRUE(std::filesystem::exists(directory.file("real")));
  ASSERT_EQ(::mkfifo(directory.file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(why_not(directory.file("fifo")), "is not a file");
  EXPECT_FALSE(std::filesystem::exists(directory.file("fifo.taken")));
}

TEST(StateFile, ChecksumsOfPiecesAreTheChecksumOfTheWhole) {
  // CRC-32C of "123456789" (RFC 3720 names the polynomial, its appendix B.4 has others).
  EXPECT_EQ(checksum(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(checksum(bytes_of("56789"), checksum(bytes_of("1234"))), 0xe3069283u);
}

TEST(StateFile, RandomMutationsAreRefusedOrFound) {
  std::random_device device;
  const unsigned seed = device();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const TestDirectory directory;
  write(directory.file());
  const std::string good = read_all(directory.file());
  unsigned refused = 0, sections_refused = 0;
  for (unsigned round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    }
    write_all(directory.file(), bytes);
    try {
      const auto file = StateReader::take(directory.file(), at(101));
      for (const Section& section : file->sections()) sections_refused += !file->read(section);
    } catch (const Refused&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000u);
  EXPECT_GT(sections_refused, 20u);
}

}  // namespace
}  // namespace sluice::restart
