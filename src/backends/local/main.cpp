#include "backend/backend_main.hpp"
#include "backends/local/local_backend.hpp"

int main(int argc, char** argv) {
  using namespace sockerless;
  return run_backend_program(argc, argv,
                             {.name = "sockerless-backend-local",
                              .description = "Serves containers of this machine, run by an OCI runtime, over Sockerless's internal API.",
                              .settings = {{"state", "SOCKERLESS_STATE", {"/var/lib/sockerless"}, false},
                                           {"runtime", "SOCKERLESS_RUNTIME", {}, false},
                                           {"insecure-registry", "SOCKERLESS_INSECURE_REGISTRY", {}, true}},
                              .make_backend = [](Program& program, const Settings& settings) {
                                return make_local_backend({.executor = program.executor(),
                                                           .blocking_pool = program.blocking_pool(),
                                                           .state_directory = settings.get("state"),
                                                           .runtime = settings.get("runtime"),
                                                           .insecure_registries = settings.get_all("insecure-registry"),
                                                           .monitor_path = {}});
                              }});
}
