#include "backend/backend_main.hpp"
#include "backends/docker/docker_backend.hpp"

int main(int argc, char** argv) {
  using namespace sockerless;
  return run_backend_program(
      argc, argv,
      {.name = "sockerless-backend-docker",
       .description = "Serves a real Docker daemon over Sockerless's internal API.",
       .settings = {{"docker-socket", "DOCKER_HOST", {"/var/run/docker.sock"}, false},
                    {"docker-api-version", "DOCKER_API_VERSION", {}, false},
                    {"wait-for-docker", "SOCKERLESS_WAIT_FOR_DOCKER", {"false"}, false}},
       .make_backend =
           [](Program&, const Settings& settings) {
             return make_docker_backend({.daemon = docker_config_of(settings.get("docker-socket"), settings.get("docker-api-version")),
                                         .when_absent = settings.get_bool("wait-for-docker") ? WhenAbsent::wait : WhenAbsent::fail});
           },
       .flags = {"wait-for-docker"},
       .help = {{"docker-socket", "the Docker daemon: its socket, or what DOCKER_HOST may say"},
                {"docker-api-version", "Docker API version to speak; negotiated if absent"},
                {"wait-for-docker", "wait for a daemon that does not answer yet, instead of failing"}}});
}
