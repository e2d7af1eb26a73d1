// The suite for the local backend: real containers of busybox through an OCI runtime. Needs root, crun or runc, and busybox-static.

#include "backends/local/local_backend.hpp"
#include "tests/conformance/shell_profile.hpp"

namespace sockerless::conformance {
namespace {

class LocalProfile final : public ShellProfile {
 public:
  std::string name() const override { return "Local"; }

  std::unique_ptr<Backend> make_backend(Host& host, const std::filesystem::path& directory) override {
    return make_local_backend({.executor = host.executor(), .blocking_pool = host.blocking_pool(), .state_directory = directory.string()});
  }
  bool has_user_networks() const override { return true; }
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Local, BackendConformance,
                         testing::Values(Implementation{std::make_shared<LocalProfile>(), Path::direct},
                                         Implementation{std::make_shared<LocalProfile>(), Path::remote}),
                         name_of);

}  // namespace sockerless::conformance
