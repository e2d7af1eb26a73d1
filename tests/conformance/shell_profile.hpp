#pragma once

#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {

/// Backends that run what they are told: the containers are busybox's shell.
class ShellProfile : public Profile {
 public:
  bool has_files() const override { return true; }
  api::ContainerCreateRequest prints(const Behaviour& behaviour) override;
  api::ContainerCreateRequest runs_forever() override;
  api::ContainerCreateRequest ignores_term() override;
  api::ContainerCreateRequest copies_stdin() override;
  api::ContainerCreateRequest unknown_command() override;
  api::ContainerCreateRequest not_executable() override;
  api::ContainerCreateRequest becomes_healthy() override;
  api::ContainerCreateRequest runs_execs(const Behaviour& behaviour) override;
  std::vector<std::string> exec_command(const Behaviour& behaviour) override;
  api::ContainerCreateRequest runs_exec_copying_stdin() override;
};

}  // namespace sockerless::conformance
