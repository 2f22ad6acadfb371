// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/guard.h"

#include <algorithm>
#include <utility>

namespace sluice::pool {
namespace {

constexpr std::size_t kLivesRemembered = 64;

}  // namespace

Stamp Guard::next(const std::string& peer) {
  Peer& p = peers_[peer];
  Stamp stamp{.boot = boot_, .sequence = ++p.sent};
  // A new life waits for its echo; the one that we believe in needs it less.
  const bool is_new = p.new_boot != 0;
  stamp.echo_boot = is_new ? p.new_boot : p.boot;
  stamp.echo_sequence = is_new ? p.new_sequence : p.sequence;
  return stamp;
}

bool Guard::accept(const std::string& peer, const Stamp& stamp) {
  Peer& p = peers_[peer];
  if (p.boot != 0 && stamp.boot == p.boot) {
    if (stamp.sequence > p.sequence) {
      p.sequence = stamp.sequence;
      return true;
    }
    ++refused_;
    return false;
  }
  const bool is_over = std::ranges::find(p.over, stamp.boot) != p.over.end();
  const bool echoes = stamp.echo_boot == boot_ && stamp.echo_sequence <= p.sent &&
                      p.sent - stamp.echo_sequence <= kWindow && stamp.echo_sequence != 0;
  if (stamp.boot == 0 || is_over || !echoes) {
    if (stamp.boot != 0 && !is_over) {
      p.new_boot = stamp.boot;
      p.new_sequence = stamp.sequence;
    }
    ++refused_;
    return false;
  }
  if (p.boot != 0) p.over.push_back(p.boot);
  if (p.over.size() > kLivesRemembered) p.over.erase(p.over.begin());
  p.boot = stamp.boot;
  p.sequence = stamp.sequence;
  p.new_boot = p.new_sequence = 0;
  return true;
}

}  // namespace sluice::pool
