// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What control asks of a worker, a bounded piece at a time.
#include <rte_cycles.h>

#include <algorithm>

#include "dataplane/table/group_state.h"
#include "dataplane/worker/worker.h"

namespace sluice {

void Worker::handle(Request& request, const Snapshot& tables) noexcept {
  // Not std::visit: it throws for a variant that lost its value, and a worker may not.
  static_assert(std::variant_size_v<Request> == 4);
  const auto answer_if = [&](auto* asked) {
    if (asked) answer_to(*asked, tables);
  };
  answer_if(std::get_if<ExplainRequest>(&request));
  answer_if(std::get_if<FlowPage>(&request));
  answer_if(std::get_if<ElephantPage>(&request));
  answer_if(std::get_if<ForgetElephants>(&request));
}

void Worker::answer_to(FlowPage& page, const Snapshot&) noexcept {
  page.elsewhere = page.state->keeper.load(std::memory_order_acquire) != settings_.index;
  if (page.elsewhere) return;
  FlowTable& flows = page.state->flows;
  page.now = elephants_.flow_clock(now_tsc_);
  page.cursor = flows.visit(page.cursor, page.budget, [&](const FlowKey& key, Flow& flow) {
    if (page.flush) return flows.erase(flow);
    if (page.rows.size() < page.rows.capacity()) page.rows.push_back({key, flow});
  });
}

void Worker::answer_to(ElephantPage& page, const Snapshot&) noexcept {
  const std::uint32_t end =
      std::min<std::uint64_t>(elephants_.table.size(), page.first + page.rows.capacity());
  for (std::uint32_t i = page.first; i < end; ++i) {
    const Elephant& e = elephants_.table.at(i);
    page.rows.push_back({e.key, e.target, e.service, e.packets, e.bytes, now_tsc_ - e.since_tsc, e.active});
  }
}

void Worker::answer_to(const ForgetElephants& request, const Snapshot&) noexcept {
  elephants_.forget_service(request.service);
}

}  // namespace sluice
