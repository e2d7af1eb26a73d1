#pragma once
// Several changes that belong together: all of them, or none as far as that is possible, and a report that says exactly what is so.
//
//   Result<BatchReport> report = Batch()
//                                    .pull_image("postgres:16")
//                                    .create_volume("data")
//                                    .create_container({.name = "db", .image = "postgres:16", .volumes =
//                                    {"data:/var/lib/postgresql/data"}}) .start_container("db") .run(client);
//   if (!report) return fail(report.error());       // refused, nothing was done
//   if (report->failed) std::cerr << report->text();  // what failed, what was undone, what was not

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sockerless/client.hpp"
#include "sockerless/manager.hpp"

namespace sockerless {

namespace detail {
struct BatchStep;
}  // namespace detail

/// What a batch did. Steps are named in words: "create container db".
struct BatchReport {
  /// The step that failed, and why.
  struct FailedStep {
    std::size_t index = 0;  ///< in the order of the batch, from 0
    std::string step = {};
    DockerError error = {};
  };
  /// A step that is still in effect although the batch failed.
  struct NotUndone {
    std::string step = {};
    std::string reason = {};
  };

  std::vector<std::string> done = {};  ///< that succeeded, in their order
  std::optional<FailedStep> failed = {};
  std::vector<std::string> undone = {};  ///< of `done`, in the order they were undone: the last one first; one that changed nothing counts
  std::vector<NotUndone> not_undone = {};  ///< of `done`, and the failed step where nobody knows whether it happened

  bool succeeded() const { return !failed; }
  /// For people, over several lines.
  std::string text() const;
};

/// How a batch is run.
struct BatchOptions {
  /// A removal cannot be undone. By default a batch is refused in which another step comes after one, since that may fail; with this it
  /// runs as it stands, and a removal before the step that failed is in BatchReport::not_undone.
  bool allow_early_removals = false;
};

/// Steps over containers, images and volumes. When one fails, those before it are undone, the last one first.
///
/// What undoing means: a container that was created is removed with its anonymous volumes, one that was started is stopped, one that was
/// stopped is started; an image that came by a pull or a tag is removed, a tag that moved goes back to its image; a volume that was made
/// is removed with what was written into it. What a step found as it wanted it is left alone: a volume that existed, a container that ran.
/// Threads: one at a time; a batch that is built may be run by many, and more than once.
class Batch {
 public:
  /// Pulls it even where there is one of that name. @param registry  nullopt: what `docker login` stored.
  Batch& pull_image(std::string image, std::optional<RegistryCredentials> registry = {});
  /// Gives the image another name, which is taken from the image that has it.
  Batch& tag_image(std::string image, std::string name);
  /// Not undoable.
  Batch& remove_image(std::string image, bool force = false);
  Batch& create_volume(std::string name, std::map<std::string, std::string> labels = {});
  /// Not undoable.
  Batch& remove_volume(std::string name, bool force = false);
  /// Does not pull its image and does not start it. An existing one of that name is a failure.
  Batch& create_container(ContainerSpec spec);
  Batch& start_container(std::string name);
  Batch& stop_container(std::string name, std::optional<std::chrono::seconds> grace = {});
  /// Not undoable.
  Batch& remove_container(std::string name, RemoveOptions how = {});

  std::size_t size() const { return steps_.size(); }

  /// Runs the steps in their order. @param options  `timeout` and `stop` are for the steps; undoing is not stopped, each of its calls has
  /// DockerConfig::timeout.
  /// @return the report, also when a step failed. @errors unknown: the batch is refused (BatchOptions), nothing was done.
  Result<BatchReport> run(const Client& client, const BatchOptions& how = {}, CallOptions options = {}) const;

 private:
  Batch& add(detail::BatchStep step);

  std::vector<std::shared_ptr<const detail::BatchStep>> steps_;  // shared: copies of a batch have the same steps, which never change
};

}  // namespace sockerless
