// The suite for the docker backend: a real dockerd of its own, one for all tests of the program. Needs root, docker.io and busybox-static.

#include "backends/docker/docker_backend.hpp"
#include "tests/conformance/shell_profile.hpp"
#include "tests/support/dockerd.hpp"

namespace sockerless::conformance {
namespace {

class DockerProfile final : public ShellProfile {
 public:
  std::string name() const override { return "Docker"; }

  std::unique_ptr<Backend> make_backend(Host&, const std::filesystem::path&) override {
    if (!dockerd_) dockerd_ = std::make_unique<support::Dockerd>();
    dockerd_->clear();
    return make_docker_backend({.daemon = docker_config_of(dockerd_->socket())});
  }

  bool has_user_networks() const override { return true; }
  std::vector<std::string> predefined_networks() const override { return {"host", "none"}; }
  bool is_dockerd() const override { return true; }

  /// One for both paths.
  static std::shared_ptr<DockerProfile> instance() {
    static const auto profile = std::make_shared<DockerProfile>();
    return profile;
  }

 private:
  std::unique_ptr<support::Dockerd> dockerd_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Docker, BackendConformance,
                         testing::Values(Implementation{DockerProfile::instance(), Path::direct},
                                         Implementation{DockerProfile::instance(), Path::remote}),
                         name_of);

}  // namespace sockerless::conformance
