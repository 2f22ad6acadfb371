// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/restart/state_file.h"

#include <fcntl.h>
#include <rte_hash_crc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace sluice::restart {
namespace {

constexpr char kTaken[] = ".taken";
constexpr std::array<char, 8> kMagic = {'S', 'L', 'U', 'I', 'C', 'E', 'S', 'T'};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Refused("state file " + path + ": " + what);
}
[[noreturn]] void refuse_errno(const std::string& path, const std::string& what) {
  const std::string why = std::strerror(errno);
  refuse(path, what + ": " + why);
}

std::span<const std::byte> bytes_of(const auto& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint32_t header_crc(StateHeader header) {
  header.crc = 0;
  return checksum(bytes_of(header));
}

std::string seconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t crc) {
  constexpr std::size_t kMost = 1u << 30;  // the length has 32 bits
  crc = ~crc;
  // Sections may lie anywhere in a file, and rte_hash_crc reads words.
  while (!bytes.empty() && reinterpret_cast<std::uintptr_t>(bytes.data()) % sizeof(std::uint64_t) != 0) {
    crc = rte_hash_crc_1byte(static_cast<std::uint8_t>(bytes[0]), crc);
    bytes = bytes.subspan(1);
  }
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), kMost);
    crc = rte_hash_crc(bytes.data(), static_cast<std::uint32_t>(part), crc);
    bytes = bytes.subspan(part);
  }
  return ~crc;
}

Moment Moment::now() {
  Moment moment;
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  moment.since_boot = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  file >> text;
  std::erase(text, '-');
  for (std::size_t i = 0; i < moment.boot.size() && 2 * i + 1 < text.size(); ++i) {
    moment.boot[i] = static_cast<std::uint8_t>(std::strtoul(text.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  return moment;
}

StateWriter::StateWriter(std::string path) : path_(std::move(path)), temporary_(path_ + ".new") {
  ::unlink(temporary_.c_str());  // of one that was killed while it wrote
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd_ < 0) refuse_errno(path_, "cannot be written");
}

StateWriter::~StateWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!finished_ && fd_ >= 0) ::unlink(temporary_.c_str());
}

void StateWriter::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse_errno(path_, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void StateWriter::begin(SectionKind kind, std::uint32_t number) {
  if (sections_.size() == kMostSections) refuse(path_, "there are too many flow tables");
  at_ = (at_ + 7) & ~std::uint64_t{7};
  sections_.push_back({.kind = kind, .number = number, .offset = at_});
}

void StateWriter::append(std::span<const std::byte> bytes) {
  Section& section = sections_.back();
  write_at(bytes, at_);
  section.crc = checksum(bytes, section.crc);
  section.bytes += bytes.size();
  at_ += bytes.size();
}

void StateWriter::finish(const Moment& moment) {
  const auto directory = std::as_bytes(std::span(sections_));
  at_ = (at_ + 7) & ~std::uint64_t{7};
  StateHeader header{.magic = kMagic,
                     .version = kStateVersion,
                     .sections = static_cast<std::uint32_t>(sections_.size()),
                     .bytes = at_ + directory.size(),
                     .directory = at_,
                     .boot = moment.boot,
                     .written_ns = moment.since_boot.count(),
                     .directory_crc = checksum(directory)};
  header.crc = header_crc(header);
  write_at(directory, at_);
  write_at(bytes_of(header), 0);
  at_ = header.bytes;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) refuse_errno(path_, "cannot be given its name");
  finished_ = true;
}

void StateReader::map(const std::string& path, int fd, std::optional<unsigned> writer) {
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) refuse(path, "is not a file");
  const bool by_us = status.st_uid == 0 || status.st_uid == ::geteuid() || status.st_uid == writer;
  if (!by_us || (status.st_mode & 022) != 0) {
    refuse(path, "others than this user could have written it");
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  if (bytes_ < sizeof(StateHeader)) refuse(path, "is cut short: " + std::to_string(bytes_) + " bytes");
  void* memory = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) refuse_errno(path, "cannot be read");
  memory_ = static_cast<const std::byte*>(memory);
}

StateReader::StateReader(StateReader&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      sections_(std::move(other.sections_)),
      age_(other.age_) {}

StateReader& StateReader::operator=(StateReader&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(sections_, other.sections_);
  std::swap(age_, other.age_);
  return *this;
}

StateReader::~StateReader() {
  if (memory_) ::munmap(const_cast<std::byte*>(memory_), bytes_);
  if (!path_.empty()) ::unlink((path_ + kTaken).c_str());
}

void StateReader::put_back() {
  if (!path_.empty()) ::rename((path_ + kTaken).c_str(), path_.c_str());
  path_.clear();
}

std::optional<StateReader> StateReader::take(const std::string& path, const Moment& moment,
                                             std::optional<unsigned> writer) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return {};
  if (fd < 0) refuse_errno(path, "cannot be opened");
  struct Closing {
    int fd;
    ~Closing() { ::close(fd); }
  } const closing{fd};
  if (::rename(path.c_str(), (path + kTaken).c_str()) != 0) {
    refuse_errno(path, "cannot be renamed, so it could be used twice");
  }
  StateReader reader(path);
  reader.map(path, fd, writer);
  reader.judge(path, moment);
  return reader;
}

void StateReader::judge(const std::string& path, const Moment& moment) {
  StateHeader header;
  std::memcpy(&header, memory_, sizeof header);
  if (header.magic != kMagic) refuse(path, "is not a state file of Sluice");
  if (header.version != kStateVersion) {
    refuse(path, "is of version " + std::to_string(header.version) + ", and this program reads version " +
                     std::to_string(kStateVersion));
  }
  if (header.crc != header_crc(header)) refuse(path, "its head was changed since it was written");
  if (header.bytes != bytes_) {
    refuse(path, "is cut short: " + std::to_string(bytes_) + " bytes of " + std::to_string(header.bytes));
  }
  if (header.boot != moment.boot) refuse(path, "is from before this start of the machine");
  if (header.written_ns < 0 || header.written_ns > moment.since_boot.count()) {
    refuse(path, "is from the future");
  }
  age_ = moment.since_boot - std::chrono::nanoseconds(header.written_ns);
  if (age_ > kStateMostAge) {
    refuse(path, "is " + seconds(age_) + " old, and after " + seconds(kStateMostAge) +
                     " nobody relies on it any more");
  }
  const std::uint64_t directory_bytes = std::uint64_t{header.sections} * sizeof(Section);
  if (header.sections > kMostSections || header.directory > bytes_ ||
      directory_bytes != bytes_ - header.directory) {
    refuse(path, "its directory is not inside it");
  }
  const std::span directory(memory_ + header.directory, directory_bytes);
  if (checksum(directory) != header.directory_crc) {
    refuse(path, "its directory was changed since it was written");
  }
  sections_.resize(header.sections);
  if (!directory.empty()) std::memcpy(sections_.data(), directory.data(), directory_bytes);
  for (const Section& section : sections_) {
    if (section.offset > bytes_ || section.bytes > bytes_ - section.offset) {
      refuse(path, "a section is not inside it");
    }
  }
}

std::optional<std::span<const std::byte>> StateReader::read(const Section& section) const {
  const std::span content(memory_ + section.offset, section.bytes);
  if (checksum(content) != section.crc) return {};
  return content;
}

}  // namespace sluice::restart
