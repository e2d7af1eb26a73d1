#include "backends/local/start_failure.hpp"

#include <algorithm>
#include <cctype>

#include "backends/local/runtime_selection.hpp"

namespace sockerless::local {

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;
constexpr int kOther = 128;

bool has(const std::string& text, std::string_view part) {
  return std::ranges::search(text, part, [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
         }).begin() != text.end();
}

std::string preamble(Attempt attempt, const std::string& runtime) {
  return attempt == Attempt::run
             ? fmt::format("failed to create task for container: failed to create shim task: OCI runtime create failed: {} create failed: ",
                           runtime)
             : "OCI runtime exec failed: exec failed: ";
}

}  // namespace

StartFailure make_start_failure(Attempt attempt, const std::string& runtime, const std::string& text,
                                const std::vector<std::string>& arguments) {
  std::string words = plain_words(text);
  const std::string& command = arguments.front();
  const std::string start = preamble(attempt, runtime) + "unable to start container process: ";
  const bool about_command = has(words, command);
  // crun: "executable file `x` not found in $PATH: No such file or directory", also for a path with a slash.
  if (about_command && (has(words, "executable file") || has(words, "no such file or directory")) && !has(words, "mount")) {
    const std::string reason = command.find('/') == std::string::npos ? "executable file not found in $PATH"
                                                                      : fmt::format("stat {}: no such file or directory", command);
    return {kNotFound, ErrorCode::invalid_argument, fmt::format("{}exec: \"{}\": {}: unknown", start, command, reason)};
  }
  // crun: "open executable: Permission denied" (EPERM for a directory); runc: `exec: "/x": permission denied`, "is a directory".
  const bool about_executable = has(words, "open executable") || has(words, "exec") || about_command;
  if (about_executable && !has(words, "mount") &&
      (has(words, "permission denied") || has(words, "operation not permitted") || has(words, "is a directory"))) {
    return {kNotExecutable, ErrorCode::invalid_argument, fmt::format("{}exec: \"{}\": permission denied: unknown", start, command)};
  }
  if (about_executable && has(words, "exec format error")) {
    return {kNotExecutable, ErrorCode::invalid_argument, fmt::format("{}exec: \"{}\": exec format error: unknown", start, command)};
  }
  if (has(words, "chdir") && has(words, "no such file or directory")) {  // a working directory that is not there
    return {kNotFound, ErrorCode::invalid_argument, fmt::format("{}{}: unknown", preamble(attempt, runtime), words)};
  }
  if (has(words, "not a directory") && has(words, "mount")) {
    return {kNotFound, ErrorCode::invalid_argument,
            fmt::format("{}{}: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists "
                        "and is the expected type: "
                        "unknown",
                        preamble(attempt, runtime), words)};
  }
  for (const std::string_view repeated : {"runc run failed: ", "runc create failed: ", "exec failed: "}) {
    if (words.starts_with(repeated)) words.erase(0, repeated.size());
  }
  if (words.empty()) words = "the runtime failed without a word";
  return {kOther, ErrorCode::internal, fmt::format("{}{}: unknown", preamble(attempt, runtime), words)};
}

StartFailure make_hung_failure(Attempt attempt, const std::string& runtime, std::chrono::milliseconds timeout, const std::string& text) {
  const std::string words = plain_words(text);
  return {kOther, ErrorCode::deadline_exceeded,
          fmt::format("{}the runtime did not end within {} s and was killed{}{}", preamble(attempt, runtime),
                      std::chrono::duration_cast<std::chrono::seconds>(timeout).count(), words.empty() ? "" : ": ", words)};
}

}  // namespace sockerless::local
