#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/dockerfile.hpp"

namespace sockerless::local {

/// What a build shows of its steps, told to the translation before it begins.
struct BuildPlan {
  std::vector<std::string> preamble;               ///< ARG before the first FROM: steps that the builder does not count
  std::vector<std::vector<std::string>> stages;    ///< the steps' texts, up to the stage that is built
  std::map<std::size_t, std::string> base_images;  ///< by stage: the id of the image it is made from, without "sha256:"
};

BuildPlan make_plan(const Dockerfile& file, std::size_t target, const BuildArguments& arguments,
                    const std::map<std::string, std::string>& image_ids, const std::map<std::string, std::string>& labels);

/// How a build failed.
struct BuilderFailure {
  std::string message;
  int exit_code = 0;  ///< of a RUN; 0: it was not that
};

/// Turns buildah's output, standard output and error in one, into the text that Docker's classic builder writes.
///
/// What a RUN prints is in the same stream. A line counts as the builder's only where that very step is due; a RUN that prints it can upset
/// what is shown of its own build, and nothing else: the result is told by a file.
class BuildOutput {
 public:
  explicit BuildOutput(BuildPlan plan);

  /// Takes a piece of output. @return texts, each one "stream" of Docker's.
  std::vector<std::string> feed(std::string_view piece);
  /// The end of the output. @param failed  the builder's last words are kept for failure() then, else shown.
  std::vector<std::string> finish(bool failed);
  /// After finish(true). @param exit_code  of buildah.
  BuilderFailure failure(int exit_code) const;

 private:
  void take_line(std::string_view line);
  bool take_step(std::string_view line);
  bool begin_stage(std::size_t stage, std::string_view line);
  bool take_note(std::string_view line);
  void show_step(const std::string& text);
  void show(std::string text) { texts_.push_back(std::move(text)); }
  bool may_be_ours(std::string_view partial) const;

  BuildPlan plan_;
  std::size_t total_ = 0;
  std::size_t stage_ = 0;
  std::size_t step_ = 0;      // of the stage, counted from 1 without triggers; 0: none has begun
  std::size_t triggers_ = 0;  // ONBUILD of the stage's base: the builder counts them as steps
  std::size_t fired_ = 0;     // of these
  std::string current_;       // the text of the step or trigger that runs
  bool step_began_ = false;   // the last line was a step's first
  std::string pending_;       // the beginning of a line
  std::string last_words_;    // "Error: ..." and what came after it
  std::string complaint_;     // what the runtime said of a RUN that did not start
  std::vector<std::string> texts_;
};

}  // namespace sockerless::local
