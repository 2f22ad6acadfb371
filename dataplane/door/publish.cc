// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/door/publish.h"

#include <cstdlib>
#include <new>

namespace sluice {

void Publisher::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

Publisher::Publisher(std::unique_ptr<const Snapshot> first, unsigned readers)
    : shared_(first.get()), owned_(std::move(first)), readers_(readers) {
  const std::size_t bytes = rte_rcu_qsbr_get_memsize(readers);
  const std::size_t aligned = (bytes + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
  qsbr_.reset(static_cast<std::byte*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, aligned)));
  if (!qsbr_ || rte_rcu_qsbr_init(qsbr(), readers) != 0) throw std::bad_alloc();
  // Once for all: a reader that sleeps is offline, and its way there and back is a store.
  for (unsigned reader = 0; reader < readers; ++reader) rte_rcu_qsbr_thread_register(qsbr(), reader);
}

Publisher::~Publisher() = default;

void Publisher::publish(std::unique_ptr<const Snapshot> next) {
  shared_.store(next.get(), std::memory_order_release);
  std::swap(owned_, next);
  retired_.push_back({std::move(next), rte_rcu_qsbr_start(qsbr())});
}

std::size_t Publisher::reclaim() {
  while (!retired_.empty() && rte_rcu_qsbr_check(qsbr(), retired_.front().token, false) == 1) {
    retired_.pop_front();
  }
  return retired_.size();
}

bool Publisher::settled() const {
  return retired_.empty() || rte_rcu_qsbr_check(qsbr(), retired_.back().token, false) == 1;
}

std::vector<unsigned> Publisher::late_readers() const {
  std::vector<unsigned> late;
  if (retired_.empty()) return late;
  for (unsigned reader = 0; reader < readers_; ++reader) {
    const std::uint64_t seen = __atomic_load_n(&qsbr()->qsbr_cnt[reader].cnt, __ATOMIC_ACQUIRE);
    if (seen != __RTE_QSBR_CNT_THR_OFFLINE && seen < retired_.front().token) late.push_back(reader);
  }
  return late;
}

void Publisher::online(unsigned reader) {
  rte_rcu_qsbr_thread_online(qsbr(), reader);
}

void Publisher::offline(unsigned reader) {
  rte_rcu_qsbr_thread_offline(qsbr(), reader);
}

}  // namespace sluice
