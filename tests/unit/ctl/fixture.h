// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// A small server that answers as sluiced would, on a socket in a directory of its own, its loop in a thread.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control/rpc/server.h"

namespace sluice::ctl {

class CtlTest : public testing::Test {
 protected:
  CtlTest() {
    using nlohmann::json;
    char name[] = "/tmp/sluice-ctl-XXXXXX";
    directory = ::mkdtemp(name);
    socket = directory + "/sluice.sock";
    add("status", {{"version", "1.0"}, {"ready", true}, {"uptime_s", 7500}});
    add("service.list", json::parse(R"([{"name":"web","vip":"203.0.113.10","protocol":"tcp","port":80},
                                        {"name":"dns","vip":"203.0.113.53","protocol":"udp","port":53}])"));
    add("dip.list",
        json::parse(R"([{"service":"web","address":"10.1.0.11"},{"service":"web","address":"10.2.0.12"}])"));
    add("drop.list", json::array());
    router.add({.name = "dip.weight",
                .access = rpc::Access::kChange,
                .parameters = {{.name = "service"},
                               {.name = "address"},
                               {.name = "weight", .type = rpc::Type::kInteger}},
                .handler = [this](const json& params) -> json {
                  asked.push_back(params.dump());
                  return nullptr;
                }});
    router.add(
        {.name = "config.check", .parameters = {{.name = "file"}}, .handler = [](const json& params) -> json {
           const std::string file = params["file"];
           throw rpc::Error(rpc::kBadConfiguration, file + ":3: slots is 4; write a prime");
         }});
    router.add({.name = "config.show", .handler = [](const json&) -> json {
                  return {{"text", "control: {};\n"}};
                }});
  }
  ~CtlTest() override {
    stop();
    std::filesystem::remove_all(directory);
  }

  void add(const std::string& method, const nlohmann::json& answer) {
    router.add({.name = method,
                .parameters = {{.name = "service"}},
                .handler = [answer](const nlohmann::json&) { return answer; }});
  }
  // In two steps, so that a child can be forked between them, while there is no other thread.
  void listen() {
    rpc::ServerOptions options;
    options.path = socket;
    server = std::make_unique<rpc::Server>(io, router, options);
  }
  void serve() {
    loop = std::thread([this] { io.run(); });
  }
  void start() {
    listen();
    serve();
  }
  void stop() {
    if (!loop.joinable()) return;
    boost::asio::post(io, [this] { server.reset(); });
    loop.join();
    io.restart();
  }

  boost::asio::io_context io;
  rpc::Router router;
  std::unique_ptr<rpc::Server> server;
  std::thread loop;
  std::string directory, socket;
  std::vector<std::string> asked;
};

}  // namespace sluice::ctl
