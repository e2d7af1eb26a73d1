#include "engine/container_wait.hpp"

#include <utility>

#include "engine/engine_context.hpp"

namespace sockerless {

namespace {

class RecordWait final : public ContainerWait {
 public:
  RecordWait(ContainerPtr record, WaitCondition condition) : record_(std::move(record)), condition_(condition) {
    const auto state = record_->state();
    exits_ = state->exits();
    stopped_already_ = condition == WaitCondition::not_running && !state->is_running();
  }

  Task<api::ContainerWaitResponse> result() override {
    const std::uint64_t before = exits_;
    if (condition_ == WaitCondition::removed) {
      co_await wait_until(record_, [](const ContainerRecord& now) { return now.is_removed(); });
    } else if (!stopped_already_) {
      // A removal ends every wait: there is nothing left to wait for.
      co_await wait_until(record_, [before](const ContainerRecord& now) { return now.is_removed() || now.state()->exits() > before; });
    }
    const auto state = record_->state();
    api::ContainerWaitResponse response;
    response.status_code = state->last_exit_code();
    // What the start of a removed container died of was told to whoever started it.
    if (condition_ != WaitCondition::removed && !state->error().empty()) {
      response.error.emplace();
      response.error->message = state->error();
    }
    co_return response;
  }

 private:
  ContainerPtr record_;
  WaitCondition condition_;
  std::uint64_t exits_ = 0;
  bool stopped_already_ = false;
};

}  // namespace

std::unique_ptr<ContainerWait> make_container_wait(ContainerPtr record, WaitCondition condition) {
  return std::make_unique<RecordWait>(std::move(record), condition);
}

}  // namespace sockerless
