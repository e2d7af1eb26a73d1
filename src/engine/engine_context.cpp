#include "engine/engine_context.hpp"

#include <utility>

namespace sockerless {

namespace {

struct Nothing {};

Task<Nothing> with_result(Task<void> work) {
  co_await std::move(work);
  co_return Nothing{};
}

}  // namespace

Task<void> run_to_its_end(EngineContext& context, const char* name, Task<void> work) {
  std::ignore = co_await run_to_its_end(context, name, with_result(std::move(work)));
}

}  // namespace sockerless
