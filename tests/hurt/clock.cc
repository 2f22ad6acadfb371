// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A wall clock that can be stepped for one program: loaded before the C library (LD_PRELOAD), it adds the
// seconds that the file named by HURT_CLOCK holds (eight bytes) to the time of day. The machine's own clock,
// and all that counts time since the start, stay as they are. For scripts/test --faults.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

const volatile std::int64_t* offset() {
  static const volatile std::int64_t* const seconds = [] {
    static const std::int64_t none = 0;
    const char* name = std::getenv("HURT_CLOCK");
    const int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void* memory = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    return memory == MAP_FAILED ? &none : static_cast<const volatile std::int64_t*>(memory);
  }();
  return seconds;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *offset();
  return result;
}

extern "C" int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}

extern "C" time_t time(time_t* time) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (time) *time = now.tv_sec;
  return now.tv_sec;
}
