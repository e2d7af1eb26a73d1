#pragma once

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/clients/docker.hpp"

namespace sockerless::clients {

/// Which command line talks to which backend.
struct Pairing {
  std::string docker;
  std::string backend;
};

inline void PrintTo(const Pairing& pairing, std::ostream* out) { *out << pairing.docker << " on " << pairing.backend; }

inline std::vector<Pairing> pairings(const std::vector<std::string>& backends) {
  std::vector<Pairing> all;
  for (const std::string& docker : docker_binaries()) {
    for (const std::string& backend : backends) all.push_back({docker, backend});
  }
  return all;
}

inline std::string name_of_pairing(const testing::TestParamInfo<Pairing>& info) {
  return (info.param.docker == kDebianDocker ? "debian_cli_" : "newer_cli_") + info.param.backend;
}

/// A daemon of its own for every test, with the image "busybox" in it; the daemon's fixture removes what is left.
class ClientTest : public testing::TestWithParam<Pairing> {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<support::Daemon>(GetParam().backend);
    docker_ = std::make_unique<Docker>(GetParam().docker, *daemon_);
    ASSERT_NO_THROW(docker_->get({"import", "-", "busybox:latest"}, support::busybox_rootfs()));
  }

  const support::Daemon& daemon() const { return *daemon_; }
  const Docker& docker() const { return *docker_; }
  Output run(const std::vector<std::string>& arguments, std::string_view input = {}) const { return docker_->run(arguments, input); }
  std::string get(const std::vector<std::string>& arguments, std::string_view input = {}) const { return docker_->get(arguments, input); }
  std::string inspect(const std::string& container, const std::string& format) const {
    return get({"inspect", "--type", "container", "--format", format, container});
  }

 private:
  std::unique_ptr<support::Daemon> daemon_;
  std::unique_ptr<Docker> docker_;
};

}  // namespace sockerless::clients
