// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// sluice-agent: runs on every server behind Sluice. docs/agent.md tells its operator the rest.
#include <fcntl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "control/agent/agent.h"
#include "control/agent/config.h"

namespace {

constexpr int kDescriptors = 1024;  // more than the agent ever has

enum Exit { kDone = 0, kFailed = 1, kUsage = 2 };

// SIGHUP: with a good file the process becomes a fresh agent of the same pid, which takes over everything
// that this one holds. Traffic flows meanwhile: the programs stay attached until the new ones replace them.
void become_fresh_agent(const std::string& path, char** arguments) {
  const auto parsed = sluice::agent::read_config(path);
  for (const std::string& error : parsed.errors) spdlog::error("{}", error);
  if (!parsed.errors.empty()) {
    spdlog::error("goes on with the configuration that it has");
    return;
  }
  spdlog::info("reloads {}", path);
  if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0)  // before Linux 5.11
    for (int fd = 3; fd < kDescriptors; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  execv("/proc/self/exe", arguments);
  spdlog::error("cannot start afresh: {}", std::strerror(errno));
}

int run(const sluice::agent::Config& config, const std::string& path, char** arguments) {
  try {
    sluice::agent::Agent agent(config, [&] { become_fresh_agent(path, arguments); });
    agent.run();
    return kDone;
  } catch (const std::exception& e) {
    spdlog::critical("{}", e.what());
    return kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("The DIP agent of Sluice: decapsulates, holds the VIPs, reports connections, load and health.",
               "sluice-agent");
  std::string path;
  bool check = false;
  app.add_option("-c,--config", path, "configuration file (libconfig)")->required();
  app.add_flag("--check", check, "read and validate the file, touch nothing, and end");
  app.set_version_flag("--version", SLUICE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }

  const auto parsed = sluice::agent::read_config(path);
  for (const std::string& error : parsed.errors) std::fprintf(stderr, "%s\n", error.c_str());
  if (!parsed.errors.empty()) return kUsage;
  if (check) {
    std::printf("%s: good\n", path.c_str());
    return kDone;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_st("sluice-agent"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(parsed.config->log_level));
  return run(*parsed.config, path, argv);
} catch (const std::exception& e) {  // of the command line's own making
  std::fprintf(stderr, "sluice-agent: %s\n", e.what());
  return kFailed;
}
