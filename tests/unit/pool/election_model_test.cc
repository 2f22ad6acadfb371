// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Members on a made-up network, whose messages are late and lost and whose links are cut and healed at
// random: two never hold one IIP while adverts get through, and after every disturbance exactly one does.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "control/pool/election.h"

namespace sluice::pool::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kAdvert = 100ms, kStep = 5ms, kLatest = 45ms;
constexpr unsigned kLossesInARow = 2;
// A claim begun before the healing may still succeed when all that contradicts it is lost so often as the
// bound allows; then the other side has to hear of it.
constexpr auto kSettled = 8 * kAdvert;
// And until somebody holds everything again: silence, a claim, one that was blocked for a while.
constexpr auto kConverged = 3s;
constexpr auto kFound = 1700ms;  // a dead data path, by who has a good one

struct Letter {
  TimePoint arrives;
  std::uint64_t sequence;
  Word word;
};

class World {
 public:
  World(std::uint64_t seed, bool wire_defends) : random_(seed), wire_defends_(wire_defends) {
    const auto members = 2 + random_() % 3, iips = 1 + random_() % 4;
    for (std::uint64_t i = 0; i < members; ++i)
      ranks_.push_back(
          {static_cast<unsigned>(random_() % 2 ? 100 : random_() % 200), "mux" + std::to_string(i)});
    for (std::uint64_t i = 0; i < iips; ++i)
      iips_.push_back({IpAddress::v4(Big32(0x0a000064u + static_cast<std::uint32_t>(i))),
                       random_() % 3 ? ranks_[random_() % members].name : ""});
    for (const Rank& rank : ranks_) start(rank.name);
  }

  void run(Clock::duration span) {
    for (const TimePoint end = now_ + span; now_ < end && !testing::Test::HasFatalFailure(); now_ += kStep)
      step();
  }
  void step() {
    deliver();
    for (auto& [name, member] : members_) {
      if (now_ >= member->next_tick) {
        member->next_tick = now_ + 25ms + std::chrono::milliseconds(random_() % 25);
        member->election->set_dead_paths(found_dead_by(name));
        obey(name, member->election->tick(now_));
      }
      answer_questions(name, *member);
      if (now_ >= member->next_advert) speak(name);
    }
    check();
  }

  // One thing goes wrong, or is repaired.
  void disturb() {
    disturbed_ = now_;
    const std::string a = any(), b = any();
    switch (random_() % 6) {
      case 0:
      case 1:
        cut_.insert({a, b});
        cut_.insert({b, a});
        break;
      case 2:
        cut_.insert({a, b});  // one way only
        break;
      case 3:
        cut_.clear();
        break;
      case 4:
        members_.erase(a);
        break;
      default:
        start(a);
    }
  }
  void heal() {
    disturbed_ = now_;
    cut_.clear();
    dead_.clear();
  }
  // It goes on to speak, and carries nothing.
  void kill_a_path() { dead_.try_emplace(any(), now_); }
  // Wherever somebody could have it who carries packets.
  void expect_living_holders() const {
    if (dead_.size() == ranks_.size()) return;
    for (const PoolIip& iip : iips_)
      for (const std::string& name : holders(iip.address))
        EXPECT_FALSE(dead_.contains(name)) << name << ' ' << to_string(iip.address);
  }
  void hand_over() {
    const std::string from = any();
    if (!members_.contains(from)) return;
    Orders orders;
    members_[from]->election->hand_over(random_() % 2 ? "" : any(), now_, orders);
    obey(from, orders);
  }

  [[nodiscard]] std::vector<std::string> holders(const IpAddress& address) const {
    std::vector<std::string> names;
    for (const auto& [name, member] : members_)
      if (member->holding.contains(address)) names.push_back(name);
    return names;
  }
  void expect_one_each(const std::string& when) const {
    if (members_.empty()) return;
    for (const PoolIip& iip : iips_)
      EXPECT_EQ(holders(iip.address).size(), 1u) << when << ' ' << to_string(iip.address);
  }
  std::uint64_t taken() const { return taken_; }

 private:
  struct Member {
    std::unique_ptr<Election> election;
    TimePoint next_tick, next_advert;
    std::set<IpAddress> holding;
    std::map<std::string, std::uint64_t> last;  // word of each
    std::map<IpAddress, TimePoint> questions;   // when the wire's answer is due
  };

  // Who carries nothing himself has no proof that the fault is not his own.
  std::map<std::string, TimePoint> found_dead_by(const std::string& name) const {
    std::map<std::string, TimePoint> found;
    if (dead_.contains(name)) return found;
    for (const auto& [dead, since] : dead_)
      if (now_ - since >= kFound) found[dead] = since + kFound;
    return found;
  }
  std::string any() { return ranks_[random_() % ranks_.size()].name; }
  void start(const std::string& name) {
    auto member = std::make_unique<Member>();
    member->election = std::make_unique<Election>(name, ranks_, kAdvert, now_);
    member->election->set_iips(iips_);
    member->next_tick = member->next_advert = now_ + std::chrono::milliseconds(random_() % 50);
    members_[name] = std::move(member);
  }
  void obey(const std::string& name, const Orders& orders) {
    Member& member = *members_[name];
    for (const auto& [what, address] : orders) {
      if (what == Order::What::kAsk) member.questions[address] = now_ + 350ms;
      if (what == Order::What::kTake) {
        member.holding.insert(address);
        ++taken_;
      }
      if (what == Order::What::kGiveUp) {
        member.holding.erase(address);
        member.questions.erase(address);
      }
    }
    if (!orders.empty()) speak(name);
  }
  // The wire: whoever holds an address defends it against those that reach him.
  void answer_questions(const std::string& name, Member& member) {
    for (auto at = member.questions.begin(); at != member.questions.end();) {
      bool defended = false;
      for (const std::string& holder : holders(at->first))
        defended |= holder != name && !cut_.contains({name, holder}) && !cut_.contains({holder, name}) &&
                    !dead_.contains(holder) && !dead_.contains(name);
      if (wire_defends_ && defended) {
        member.election->wire_defended(at->first, now_);
        at = member.questions.erase(at);
      } else if (now_ >= at->second) {
        member.election->wire_clear(at->first);
        at = member.questions.erase(at);
      } else {
        ++at;
      }
    }
  }
  void speak(const std::string& name) {
    Member& member = *members_[name];
    member.next_advert = now_ + kAdvert;
    for (const Rank& to : ranks_) {
      if (to.name == name || cut_.contains({name, to.name})) continue;
      unsigned& lost = lost_[{name, to.name}];
      if (lost < kLossesInARow && random_() % 3 == 0) {
        ++lost;
        continue;
      }
      lost = 0;
      Word word = member.election->word(now_);
      word.accuses = found_dead_by(name).contains(to.name);
      letters_[to.name].push_back(
          {now_ + static_cast<int>(random_() % (kLatest / kStep)) * kStep, ++sequence_, std::move(word)});
    }
  }
  // A word that a later one has overtaken is as good as lost: adverts are numbered.
  void deliver() {
    for (auto& [to, letters] : letters_) {
      std::vector<Letter> due;
      std::erase_if(letters, [&](const Letter& letter) {
        if (letter.arrives > now_) return false;
        due.push_back(letter);
        return true;
      });
      if (!members_.contains(to)) continue;
      for (const Letter& letter : due) {
        std::uint64_t& last = members_[to]->last[letter.word.member];
        if (letter.sequence < last) continue;
        last = letter.sequence;
        obey(to, members_[to]->election->heard(letter.word, now_));
      }
    }
  }
  void check() const {
    if (!cut_.empty() || now_ - disturbed_ < kSettled) return;
    for (const PoolIip& iip : iips_) ASSERT_LE(holders(iip.address).size(), 1u) << to_string(iip.address);
  }

  std::mt19937_64 random_;
  const bool wire_defends_;
  TimePoint now_{1h}, disturbed_ = now_;
  std::vector<Rank> ranks_;
  std::vector<PoolIip> iips_;
  std::map<std::string, std::unique_ptr<Member>> members_;
  std::map<std::pair<std::string, std::string>, unsigned> lost_;
  std::set<std::pair<std::string, std::string>> cut_;
  std::map<std::string, std::deque<Letter>> letters_;
  std::map<std::string, TimePoint> dead_;  // data paths, since when
  std::uint64_t taken_ = 0, sequence_ = 0;
};

// Messages are late and lost within the bound, members hand over as they like: never two.
TEST(ElectionModel, NeverTwoHoldOneWhileAdvertsGetThrough) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, seed % 2 == 0);
    world.run(2s);
    world.expect_one_each("after the start");
    for (int turn = 0; turn < 5; ++turn) {
      world.hand_over();
      world.run(kConverged);
      world.expect_one_each("after a hand-over");
    }
    if (testing::Test::HasFailure()) return;
  }
}

// Data paths die under members that go on to speak: what they hold goes to one that carries packets, and
// never are there two.
TEST(ElectionModel, WhoCarriesNothingHoldsNothing) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, seed % 2 == 0);
    std::mt19937_64 random(seed);
    world.run(2s);
    for (int turn = 0; turn < 4; ++turn) {
      for (auto deaths = 1 + random() % 2; deaths > 0; --deaths) {
        world.kill_a_path();
        world.run(std::chrono::milliseconds(random() % 2500));
      }
      world.run(kFound + kConverged);
      world.expect_one_each("after a data path died");
      world.expect_living_holders();
      world.heal();
      world.run(kConverged);
      world.expect_one_each("after it was mended");
    }
    if (testing::Test::HasFailure()) return;
  }
}

// Cuts of links, deaths and returns, one after the other or at once; healed, one holds each.
TEST(ElectionModel, AfterEveryHealingExactlyOneHoldsEach) {
  std::uint64_t taken = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, seed % 2 == 0);
    std::mt19937_64 random(seed);
    world.run(2s);
    for (int turn = 0; turn < 5; ++turn) {
      for (auto troubles = random() % 4; troubles > 0; --troubles) {
        world.disturb();
        world.run(std::chrono::milliseconds(random() % 1500));
        if (random() % 4 == 0) world.hand_over();
      }
      world.heal();
      world.run(kConverged);
      world.expect_one_each("after healing");
    }
    taken += world.taken();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(taken, 1000u) << "hardly anything was taken over";
}

}  // namespace
}  // namespace sluice::pool::test
