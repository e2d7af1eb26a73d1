#include "backends/local/build_output.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "backends/local/dockerfile_lines.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kLongestLine = 64UL * 1024;
constexpr std::size_t kShortId = 12;
constexpr std::string_view kError = "Error: ";
constexpr std::string_view kComplaint = "error running container: ";
constexpr std::string_view kRunFailed = "while running runtime: exit status ";

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<std::size_t> take_number(std::string_view& text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// "[2/3] " before a line of a build with several stages. @return the stage, counted from 0.
std::size_t take_stage(std::string_view& line) {
  std::string_view rest = line;
  if (!take(rest, "[")) return 0;
  const auto stage = take_number(rest);
  if (!stage || *stage == 0 || !take(rest, "/") || !take_number(rest) || !take(rest, "] ")) return 0;
  line = rest;
  return *stage - 1;
}

bool is_hex(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

std::string short_id(std::string_view id) { return std::string(id.substr(0, kShortId)); }

/// "/bin/sh -c false" of a RUN as Docker names it.
std::string command_of(const std::vector<std::string>& stage, std::size_t step, std::string_view command) {
  std::string shell = "/bin/sh -c";
  for (std::size_t i = 0; i < step; ++i) {
    if (upper_word(stage[i]) != "SHELL") continue;
    shell.clear();
    for (const auto& word : list_words(trim(std::string_view(stage[i]).substr(5)))) shell += (shell.empty() ? "" : " ") + word;
  }
  command = trim(command.substr(std::min<std::size_t>(3, command.size())));
  while (command.starts_with("--")) command = trim(command.substr(std::min(command.find(' '), command.size())));
  if (!command.starts_with('[')) return fmt::format("{} {}", shell, command);
  return fmt::format("{}", fmt::join(list_words(command), " "));
}

/// 'copier: stat: "/nope": no such file or directory', 'copier: get: lstat "/l"("/x"): ... no such file or directory' in Docker's words.
std::optional<std::string> missing_file(std::string_view words, std::string_view step) {
  const std::string keyword = upper_word(step);
  if ((keyword != "COPY" && keyword != "ADD") || !words.ends_with("no such file or directory")) return std::nullopt;
  for (const std::string_view mark : {"copier: stat: \"", "copier: get: lstat \""}) {
    const auto start = words.rfind(mark);
    if (start == std::string_view::npos) continue;
    std::string_view path = words.substr(start + mark.size());
    path = path.substr(0, path.find('"'));
    while (path.starts_with('/')) path.remove_prefix(1);
    return fmt::format("{} failed: file not found in build context or excluded by .dockerignore: stat {}: file does not exist", keyword,
                       path);
  }
  return std::nullopt;
}

/// 'determining run uid: user: unknown user error looking up user "x"' in Docker's words.
std::optional<std::string> missing_user(std::string_view words) {
  for (const std::string_view kind : {"user", "group"}) {
    const std::string mark = fmt::format("unknown {0} error looking up {0} \"", kind);
    const auto start = words.find(mark);
    if (start == std::string_view::npos) continue;
    const std::string_view name = words.substr(start + mark.size());
    const std::string_view file = kind == "user" ? "passwd" : "group";
    return fmt::format("unable to find {} {}: no matching entries in {} file", kind, name.substr(0, name.find('"')), file);
  }
  return std::nullopt;
}

/// What a runtime's log line says: 'from runc ...: time="..." level=error msg="..."'.
std::string complaint_of(std::string_view line) {
  if (const auto start = line.find("msg=\""); start != std::string_view::npos) {
    line = line.substr(start + 5);
    if (line.ends_with('"')) line.remove_suffix(1);
  }
  std::string text(line);
  for (auto quote = text.find("\\\""); quote != std::string::npos; quote = text.find("\\\"", quote)) text.erase(quote, 1);
  return text;
}

}  // namespace

BuildPlan make_plan(const Dockerfile& file, std::size_t target, const BuildArguments& arguments,
                    const std::map<std::string, std::string>& image_ids, const std::map<std::string, std::string>& labels) {
  BuildPlan plan;
  for (const auto& instruction : file.preamble()) plan.preamble.push_back(instruction.text);
  const auto bases = file.base_images(target, arguments);
  for (std::size_t i = 0; i <= target; ++i) {
    std::vector<std::string> steps;
    for (const auto& instruction : file.stages()[i].instructions) steps.push_back(instruction.text);
    plan.stages.push_back(std::move(steps));
    if (bases[i]) plan.base_images[i] = image_ids.at(*bases[i]);
  }
  if (!labels.empty()) {
    std::string text = "LABEL";
    for (const auto& [key, value] : labels) text += fmt::format(" {}={}", key, value);
    plan.stages.back().push_back(std::move(text));
  }
  return plan;
}

BuildOutput::BuildOutput(BuildPlan plan) : plan_(std::move(plan)), total_(plan_.preamble.size()) {
  for (const auto& stage : plan_.stages) total_ += stage.size();
  for (std::size_t i = 0; i < plan_.preamble.size(); ++i) {
    show(fmt::format("Step {}/{} : {}", i + 1, total_, plan_.preamble[i]));
    show("\n");
  }
}

std::vector<std::string> BuildOutput::feed(std::string_view piece) {
  pending_ += piece;
  std::size_t start = 0;
  for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', start)) {
    take_line(std::string_view(pending_).substr(start, end - start));
    start = end + 1;
  }
  pending_.erase(0, start);
  if (!pending_.empty() && (!may_be_ours(pending_) || pending_.size() > kLongestLine)) {
    show(std::exchange(pending_, {}));
    step_began_ = false;
  }
  return std::exchange(texts_, {});
}

std::vector<std::string> BuildOutput::finish(bool failed) {
  if (!pending_.empty()) take_line(std::exchange(pending_, {}));
  if (!failed && !last_words_.empty()) show(std::exchange(last_words_, {}) + "\n");
  return std::exchange(texts_, {});
}

/// A line that is not complete is shown when it cannot become one of the builder's: a question that a RUN asks, a row of dots.
bool BuildOutput::may_be_ours(std::string_view partial) const {
  if (!last_words_.empty()) return true;
  for (const std::string_view prefix : {std::string_view("STEP "), std::string_view("["), std::string_view("--> "),
                                        std::string_view("COMMIT"), kError, kComplaint, std::string_view("time=\"")}) {
    const std::size_t length = std::min(prefix.size(), partial.size());
    if (partial.substr(0, length) == prefix.substr(0, length)) return true;
  }
  return false;
}

void BuildOutput::take_line(std::string_view line) {
  if (take_step(line)) {
    step_began_ = true;
    return;
  }
  const bool ours = take_note(line);
  step_began_ = false;
  if (ours) return;
  // The last words may have several lines; they are the last only when nothing else begins after them.
  if (line.starts_with(kError)) {
    if (!last_words_.empty()) show(last_words_ + "\n");
    last_words_ = line;
  } else if (!last_words_.empty() && last_words_.size() < kLongestLine) {
    last_words_ += "\n";
    last_words_ += line;
  } else if (line.starts_with(kComplaint)) {
    complaint_ = line.substr(kComplaint.size());
  } else if (!complaint_.empty() && line.starts_with(": exit status ")) {
    return;  // the rest of the complaint
  } else {
    show(std::string(line) + "\n");
  }
}

/// "[2/3] STEP 1/4: FROM busybox", when that is the step that comes next.
bool BuildOutput::take_step(std::string_view line) {
  const std::size_t stage = take_stage(line);
  if (!take(line, "STEP ")) return false;
  const auto step = take_number(line);
  if (!step || *step == 0 || !take(line, "/")) return false;
  const auto count = take_number(line);
  if (!count || !take(line, ": ") || stage >= plan_.stages.size()) return false;
  const std::size_t size = plan_.stages[stage].size();
  if (*step == 1 && *count == size && (stage > stage_ || step_ == 0)) return begin_stage(stage, line);
  // The builder learns of triggers after FROM, when no RUN can have printed this.
  if (stage == stage_ && step_ == 1 && triggers_ == 0 && *step == 2 && *count > size) {
    triggers_ = *count - size;
    show(fmt::format("# Executing {} build trigger{}\n", triggers_, triggers_ == 1 ? "" : "s"));
  }
  if (stage != stage_ || *count != size + triggers_ || *step != step_ + fired_ + 1 || *step > *count) return false;
  if (!last_words_.empty()) show(std::exchange(last_words_, {}) + "\n");
  if (fired_ < triggers_) {
    ++fired_;
    current_ = line;
  } else {
    show_step(plan_.stages[stage][step_++]);
  }
  return true;
}

bool BuildOutput::begin_stage(std::size_t stage, std::string_view line) {
  if (!last_words_.empty()) show(std::exchange(last_words_, {}) + "\n");
  stage_ = stage;
  step_ = 1;
  triggers_ = 0;
  fired_ = 0;
  show_step(plan_.stages[stage].front());
  if (const auto base = plan_.base_images.find(stage); base != plan_.base_images.end()) {
    show(fmt::format(" ---> {}\n", short_id(base->second)));
  } else {
    take(line, "FROM ");
    const std::string_view image = line.substr(0, std::min(line.find(' '), line.size()));
    show(fmt::format(" ---> {}\n", is_hex(image) ? short_id(image) : std::string()));
  }
  return true;
}

void BuildOutput::show_step(const std::string& text) {
  current_ = text;
  std::size_t number = plan_.preamble.size() + step_;
  for (std::size_t i = 0; i < stage_; ++i) number += plan_.stages[i].size();
  show(fmt::format("Step {}/{} : {}", number, total_, text));
  show("\n");
}

/// Lines of the builder about a step.
bool BuildOutput::take_note(std::string_view line) {
  std::string_view rest = line;
  if (step_began_ && take(rest, "--> Using cache ")) {
    show(" ---> Using cache\n");
    show(fmt::format(" ---> {}\n", short_id(rest)));
    return true;
  }
  if (take(rest, "--> ") && is_hex(rest) && rest.size() >= 11) {
    show(fmt::format(" ---> {}\n", short_id(rest)));
    return true;
  }
  const bool at_end = step_ > 0 && step_ == plan_.stages[stage_].size();
  rest = line;
  take_stage(rest);
  if (at_end && rest == "COMMIT") return true;
  if (at_end && take(rest, "[Warning] one or more build args were not consumed: ")) {
    show(fmt::format("[Warning] One or more build-args {} were not consumed\n", rest));
    return true;
  }
  return line.starts_with("time=\"") && line.find("(UNHANDLED LOGLEVEL)") != std::string_view::npos;
}

BuilderFailure BuildOutput::failure(int exit_code) const {
  std::string_view words = last_words_;
  take(words, kError);
  if (step_ == 0) return {std::string(words), 0};
  if (const auto at = words.rfind(kRunFailed); at != std::string_view::npos) {
    std::string_view number = words.substr(at + kRunFailed.size());
    const int code = static_cast<int>(take_number(number).value_or(static_cast<std::size_t>(exit_code)));
    if (!complaint_.empty()) return {"OCI runtime create failed: " + complaint_of(complaint_), 0};
    return {fmt::format("The command '{}' returned a non-zero code: {}", command_of(plan_.stages[stage_], step_ - 1, current_), code),
            code};
  }
  // "building at STEP "COPY nope /": ..." without what everybody sees already.
  if (take(words, "building at STEP \"")) {
    if (const auto end = words.find("\": "); end != std::string_view::npos) words = words.substr(end + 3);
  }
  if (auto missing = missing_file(words, current_)) return {std::move(*missing), 0};
  if (auto missing = missing_user(words)) return {std::move(*missing), 0};
  // The copier repeats its whole request before it says what failed.
  if (const auto at = words.rfind("copier: "); words.find("copier.request{") != std::string_view::npos && at != std::string_view::npos) {
    words = words.substr(at);
  }
  return {words.empty() ? fmt::format("the builder ended with exit code {}", exit_code) : std::string(words), 0};
}

}  // namespace sockerless::local
