#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A Dockerfile as far as a daemon has to understand it that leaves the building to a program: its instructions (to refuse in Docker's words
// what is none, and to say which step is done) and the images it is made from (to hand them over). What an instruction does is the
// builder's.
// Source: docs.docker.com/reference/dockerfile, "Format", "Parser directives", "Environment replacement", "FROM"; no here-documents, as in
// Docker's classic builder.

namespace sockerless::local {

struct Instruction {
  std::string keyword;             ///< "RUN"
  std::string text;                ///< continued lines joined: what a build shows as the step
  std::string arguments;           ///< after the keyword and the flags
  std::vector<std::string> flags;  ///< "--from=a"
  std::size_t line = 0;            ///< where it begins, counted from 1
};

struct BuildStage {
  std::string name;                       ///< of "AS name", in lower case; empty: none
  std::string base;                       ///< as it stands in the file, variables included
  std::vector<Instruction> instructions;  ///< FROM first
};

using BuildArguments = std::map<std::string, std::optional<std::string>>;

class Dockerfile {
 public:
  /// @param name  of the file, for its errors. @errors invalid_argument in Docker's words ("dockerfile parse error line 2: ...").
  static Dockerfile parse(std::string_view text, std::string_view name);

  const std::vector<Instruction>& preamble() const { return preamble_; }  ///< ARG before the first FROM
  const std::vector<BuildStage>& stages() const { return stages_; }

  /// The stage to build, by name or number; the last one where `target` is empty.
  /// @errors invalid_argument "failed to reach build target x in Dockerfile".
  std::size_t find_target(std::string_view target) const;
  /// The image a stage is made from; nothing for "scratch" and for another stage.
  /// @errors invalid_argument: it comes to nothing once variables are replaced.
  std::optional<std::string> base_image(std::size_t stage, const BuildArguments& arguments) const;
  /// The same for every stage up to `target`.
  std::vector<std::optional<std::string>> base_images(std::size_t target, const BuildArguments& arguments) const;
  /// Every image that the stages up to `target` name, in FROM and in "--from=", each once, in order.
  std::vector<std::string> images(std::size_t target, const BuildArguments& arguments) const;
  /// The file with each of these names replaced, an instruction a line: what it is to a builder is what it was to us.
  std::string with_images(const std::map<std::string, std::string>& replacements, const BuildArguments& arguments) const;

 private:
  std::optional<std::string> image_name(std::size_t stage, std::string name) const;
  std::string base_name(std::size_t stage, const std::map<std::string, std::string>& known) const;
  std::string from_line(std::size_t stage, const std::map<std::string, std::string>& known,
                        const std::map<std::string, std::string>& replacements) const;
  std::string line_of(const Instruction& instruction, std::size_t stage, const std::map<std::string, std::string>& replacements) const;
  char escape() const { return directives_.empty() ? '\\' : '`'; }
  bool names_stage(std::string_view reference, std::size_t before) const;
  std::optional<std::string> source_image(const std::string& flag, std::size_t stage) const;
  std::map<std::string, std::string> variables(const BuildArguments& arguments) const;
  void add(Instruction instruction);

  std::string directives_;
  std::vector<Instruction> preamble_;
  std::vector<BuildStage> stages_;
};

/// Replaces $x, ${x}, ${x:-y} and ${x:+y}. @errors invalid_argument: a form that is none of these, more than 32 in one another, a result of
/// more than 64 KiB.
std::string replace_variables(std::string_view text, const std::map<std::string, std::string>& variables, char escape);

/// The words of a list: a JSON array of strings where it is one, else what whitespace separates.
std::vector<std::string> list_words(std::string_view text);

}  // namespace sockerless::local
