// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>

namespace sluice {
namespace {

TEST(Pages, GiveZeroedMemoryThatMoves) {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{5000}, (std::size_t{2} << 20) + 1, std::size_t{7} << 20}) {
    Pages pages(bytes);
    auto* byte = pages.as<std::uint8_t>();
    EXPECT_EQ(std::count(byte, byte + bytes, 0), static_cast<std::ptrdiff_t>(bytes));
    byte[0] = byte[bytes - 1] = 7;
    Pages moved(std::move(pages));
    EXPECT_EQ(moved.as<std::uint8_t>(), byte);
    EXPECT_EQ(pages.as<void>(), nullptr);
    pages = std::move(moved);
    EXPECT_EQ(pages.as<std::uint8_t>()[bytes - 1], 7);
    EXPECT_EQ(pages.bytes(), bytes);
  }
  EXPECT_EQ(Pages(0).as<void>(), nullptr);
}

TEST(Pages, AddressSpaceThatIsRefusedIsSaid) {
  EXPECT_THROW(Pages(std::size_t{1} << 60), std::bad_alloc);
  EXPECT_EQ(Pages::largest(std::size_t{64} << 20), std::size_t{64} << 20);
  EXPECT_LT(Pages::largest(std::size_t{1} << 60), std::size_t{1} << 48);
}

TEST(Pages, FreeMemoryIsThisMachines) {
  EXPECT_GT(free_memory(), std::uint64_t{16} << 20);
  EXPECT_LT(free_memory(), std::uint64_t{1} << 50);
}

}  // namespace
}  // namespace sluice
