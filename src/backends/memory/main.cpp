#include "backend/backend_main.hpp"
#include "backends/memory/memory_backend.hpp"

int main(int argc, char** argv) {
  using namespace sockerless;
  return run_backend_program(
      argc, argv,
      {.name = "sockerless-backend-memory",
       .description = "Serves simulated containers over Sockerless's internal API. For testing only: all state is lost on restart.",
       .settings = {},
       .make_backend = [](Program& program, const Settings&) {
         return make_memory_backend({.executor = program.executor(), .blocking_pool = program.blocking_pool()});
       }});
}
