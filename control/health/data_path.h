// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Probes that travel like clients' packets (A9). The socket is the kernel's, bound to one of the MUX's own
// addresses, to the port's kernel interface and to a source port of the reserved range; it connects to the
// VIP. What the kernel sends from there takes the clients' way through the dataplane, to the DIP that the
// port stands for (door/probe_ports.h); the DIP answers the MUX directly, as it answers clients.
//
// Ports are used in turn, so that one rests for as long as possible before it stands for another DIP. Belongs
// to the io_context's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "control/health/report.h"
#include "control/health/spec.h"
#include "dataplane/door/probe_ports.h"

namespace sluice::health {

// How a probe to a DIP leaves.
struct Way {
  IpAddress source;          // one of the MUX's own, of the VIP's family
  std::string interface;     // the kernel's side of the port that it leaves by
  std::uint32_t target = 0;  // id of the DIP in the dataplane
};

// The way to a DIP (as maps::dip_name has it) of a service, or one sentence why there is none.
using FindWay =
    std::function<std::variant<Way, std::string>(const std::string& service, const std::string& dip)>;

class DataPath {
  struct Pool {
    std::deque<std::uint16_t> free;
  };

 public:
  // A source port; given back when it ends.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : pool_(std::move(other.pool_)), port_(std::exchange(other.port_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(port_, other.port_);
      return *this;
    }
    ~Lease() {
      if (pool_ && port_ != 0) pool_->free.push_back(port_);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

   private:
    friend class DataPath;
    Lease(std::shared_ptr<Pool> pool, std::uint16_t port) : pool_(std::move(pool)), port_(port) {}
    std::shared_ptr<Pool> pool_;
    std::uint16_t port_ = 0;
  };

  // `ports` outlives this.
  DataPath(ProbePorts& ports, FindWay find);

  [[nodiscard]] std::variant<Way, std::string> find(const Spec& spec) const {
    return find_(spec.service, spec.dip);
  }
  // Whom a source port stands for, or stood for last.
  [[nodiscard]] std::uint32_t target_of(std::uint16_t port) const { return ports_.target_of(port); }
  // Binds an open socket of the VIP's family for a probe of `spec`; `held` must live as long as the socket.
  // Why the DIP cannot be asked (which is not held against it), or nothing.
  std::optional<Answer> bind(int socket, const Spec& spec, Lease& held);

 private:
  std::optional<Lease> lease(std::uint32_t target);

  ProbePorts& ports_;
  FindWay find_;
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
};

}  // namespace sluice::health
