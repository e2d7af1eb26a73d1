#pragma once

#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {

/// The memory backend: containers are scripted by their labels.
class MemoryProfile final : public Profile {
 public:
  std::string name() const override { return "Memory"; }
  std::unique_ptr<Backend> make_backend(Host& host, const std::filesystem::path& directory) override;
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
  bool has_files() const override { return false; }
  bool has_user_networks() const override { return true; }
};

}  // namespace sockerless::conformance
