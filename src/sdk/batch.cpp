#include "sockerless/batch.hpp"

#include <functional>

#include "api/image_reference.hpp"
#include "sdk/high_level.hpp"

namespace sockerless {

namespace {

/// Takes a step back. Empty: there is nothing to take back. @errors Failure.
using Undo = std::function<void(const Client&, const CallBudget&)>;

}  // namespace

namespace detail {

struct BatchStep {
  std::string text;
  bool is_removal = false;
  std::function<Undo(const Client&, const CallBudget&)> act;  ///< @errors Failure: it did not happen, or nobody knows
};

}  // namespace detail

namespace {

void start(const Client& client, const std::string& id, const CallBudget& budget) {
  std::ignore = changed(client.container_start(id, {}, budget.next()));  // so already: by somebody else, as it should be
}

void stop(const Client& client, const std::string& id, const CallBudget& budget) {
  std::ignore = changed(client.container_stop(id, {}, budget.next()));  // so already: it ended by itself
}

/// What is gone already needs no removal.
void unless_gone(const DockerError& error) {
  if (error.type != DockerErrorType::not_found) throw Failure(error);
}

/// The name as it was: that of another image, or none.
Undo give_name_back(const std::string& name, const std::optional<api::ImageInspect>& before) {
  const api::ImageReference reference = api::ImageReference::parse(name).with_default_tag();
  if (!before || !before->id) {
    return [name = reference.familiar()](const Client& client, const CallBudget& budget) {
      const auto removed = client.image_delete(name, {}, budget.next());
      if (!removed) unless_gone(removed.error());
    };
  }
  if (reference.tag().empty()) return {};  // a digest names the same image for ever
  return [id = *before->id, reference](const Client& client, const CallBudget& budget) {
    value_or_throw(client.image_tag(id, {.repo = reference.familiar_name(), .tag = reference.tag()}, budget.next()));
  };
}

bool is_unknown(const DockerError& error) {
  return error.type == DockerErrorType::connection || error.type == DockerErrorType::timeout || error.type == DockerErrorType::cancelled;
}

}  // namespace

Batch& Batch::add(detail::BatchStep step) {
  steps_.push_back(std::make_shared<const detail::BatchStep>(std::move(step)));
  return *this;
}

Batch& Batch::pull_image(std::string image, std::optional<RegistryCredentials> registry) {
  return add({.text = "pull image " + image, .act = [image, registry](const Client& client, const CallBudget& budget) -> Undo {
                const auto before = find_image(client, image, budget);
                sockerless::pull_image(client, image, registry, budget);
                return give_name_back(image, before);
              }});
}

Batch& Batch::tag_image(std::string image, std::string name) {
  return add({.text = fmt::format("tag image {} as {}", image, name), .act = [image, name](const Client& client, const CallBudget& budget) {
                const api::ImageReference reference = api::ImageReference::parse(name).with_default_tag();
                const auto before = find_image(client, reference.familiar(), budget);
                value_or_throw(client.image_tag(image, {.repo = reference.familiar_name(), .tag = reference.tag()}, budget.next()));
                return give_name_back(name, before);
              }});
}

Batch& Batch::remove_image(std::string image, bool force) {
  return add({.text = "remove image " + image, .is_removal = true, .act = [image, force](const Client& client, const CallBudget& budget) {
                std::ignore = value_or_throw(client.image_delete(image, {.force = force}, budget.next()));  // which layers went
                return Undo();
              }});
}

Batch& Batch::create_volume(std::string name, std::map<std::string, std::string> labels) {
  return add({.text = "create volume " + name, .act = [name, labels](const Client& client, const CallBudget& budget) -> Undo {
                const Result<api::Volume> before = client.volume_inspect(name, budget.next());
                if (before) return {};
                unless_gone(before.error());
                value_or_throw(client.volume_create({.name = name, .labels = labels}, budget.next()));
                return [name](const Client& undoing, const CallBudget& time) {
                  const Result<void> removed = undoing.volume_delete(name, {}, time.next());
                  if (!removed) unless_gone(removed.error());
                };
              }});
}

Batch& Batch::remove_volume(std::string name, bool force) {
  return add({.text = "remove volume " + name, .is_removal = true, .act = [name, force](const Client& client, const CallBudget& budget) {
                value_or_throw(client.volume_delete(name, {.force = force}, budget.next()));
                return Undo();
              }});
}

Batch& Batch::create_container(ContainerSpec spec) {
  return add({.text = "create container " + spec.name, .act = [spec](const Client& client, const CallBudget& budget) -> Undo {
                check_spec(spec);
                const auto created =
                    value_or_throw(client.container_create(request_of(spec, spec.ports), {.name = spec.name}, budget.next()));
                return [id = created.id](const Client& undoing, const CallBudget& time) {
                  const Result<void> removed = undoing.container_delete(id, {.v = true, .force = true}, time.next());
                  if (!removed) unless_gone(removed.error());
                };
              }});
}

Batch& Batch::start_container(std::string name) {
  return add({.text = "start container " + name, .act = [name](const Client& client, const CallBudget& budget) -> Undo {
                if (!changed(client.container_start(name, {}, budget.next()))) return {};
                return [name](const Client& undoing, const CallBudget& time) { stop(undoing, name, time); };
              }});
}

Batch& Batch::stop_container(std::string name, std::optional<std::chrono::seconds> grace) {
  return add({.text = "stop container " + name, .act = [name, grace](const Client& client, const CallBudget& budget) -> Undo {
                if (!changed(client.container_stop(name, {.t = seconds_of(grace)}, budget.next()))) return {};
                return [name](const Client& undoing, const CallBudget& time) { start(undoing, name, time); };
              }});
}

Batch& Batch::remove_container(std::string name, RemoveOptions how) {
  return add({.text = "remove container " + name, .is_removal = true, .act = [name, how](const Client& client, const CallBudget& budget) {
                value_or_throw(client.container_delete(name, {.v = how.volumes, .force = how.force}, budget.next()));
                return Undo();
              }});
}

// --- running ---------------------------------------------------------------------------------------------------------------------------

namespace {

using Steps = std::vector<std::shared_ptr<const detail::BatchStep>>;

void refuse_early_removals(const Steps& steps) {
  const detail::BatchStep* removal = nullptr;
  for (const auto& step : steps) {
    if (removal && !step->is_removal) {
      throw Failure(
          {.type = DockerErrorType::unknown,
           .message = fmt::format("the batch is refused: \"{}\" cannot be undone should \"{}\" fail after it. Put removals last, or set "
                                  "BatchOptions::allow_early_removals",
                                  removal->text, step->text)});
    }
    if (step->is_removal) removal = step.get();
  }
}

struct DoneStep {
  const detail::BatchStep* step;
  Undo undo;
};

void undo_all(const std::vector<DoneStep>& done, const Client& client, BatchReport& report) {
  const CallBudget budget{CallOptions()};
  for (auto each = done.rbegin(); each != done.rend(); ++each) {
    if (each->step->is_removal) {
      report.not_undone.push_back({each->step->text, "what was removed cannot be brought back"});
      continue;
    }
    const Result<void> undone = without_throwing([&] {
      if (each->undo) each->undo(client, budget);
    });
    if (undone) {
      report.undone.push_back(each->step->text);
    } else {
      report.not_undone.push_back({each->step->text, undone.error().text()});
    }
  }
}

BatchReport run_steps(const Steps& steps, const Client& client, CallOptions options) {
  const CallBudget budget(std::move(options));
  BatchReport report;
  std::vector<DoneStep> done;
  for (std::size_t index = 0; index < steps.size(); ++index) {
    const detail::BatchStep& step = *steps[index];
    Result<Undo> undo = without_throwing([&] { return step.act(client, budget); });
    if (undo) {
      report.done.push_back(step.text);
      done.push_back({&step, *std::move(undo)});
      continue;
    }
    report.failed = {.index = index, .step = step.text, .error = undo.error()};
    if (is_unknown(undo.error())) report.not_undone.push_back({step.text, "whether it happened is not known"});
    undo_all(done, client, report);
    break;
  }
  return report;
}

}  // namespace

Result<BatchReport> Batch::run(const Client& client, const BatchOptions& how, CallOptions options) const {
  return without_throwing([&] {
    if (!how.allow_early_removals) refuse_early_removals(steps_);
    return run_steps(steps_, client, std::move(options));
  });
}

std::string BatchReport::text() const {
  std::string text;
  for (const std::string& step : done) text += "done: " + step + '\n';
  if (failed) text += fmt::format("failed: {}: {}\n", failed->step, failed->error.text());
  for (const std::string& step : undone) text += "undone: " + step + '\n';
  for (const NotUndone& left : not_undone) text += fmt::format("not undone: {}: {}\n", left.step, left.reason);
  return text;
}

}  // namespace sockerless
