#include "engine/build_service.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <utility>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/base64.hpp"
#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "engine/image_progress.hpp"

namespace sockerless {

namespace {

constexpr auto kStopPatience = std::chrono::seconds(1);
constexpr std::string_view kDockerHub = "https://index.docker.io/v1/";

std::string id_line(std::string_view id) {
  std::string line;
  api::JsonWriter writer(line);
  writer.begin_object();
  writer.key("aux");
  writer.begin_object();
  writer.key("ID");
  writer.string(id);
  writer.end_object();
  writer.end_object();
  return line;
}

/// The end of a stream that has begun: from there on no status tells of a failure.
std::string failure_line(const Error& error, int exit_code) {
  std::string line;
  api::JsonWriter writer(line);
  writer.begin_object();
  writer.key("errorDetail");
  writer.begin_object();
  if (exit_code != 0) {
    writer.key("code");
    writer.number(exit_code);
  }
  writer.key("message");
  writer.string(error.message());
  writer.end_object();
  writer.key("error");
  writer.string(error.message());
  writer.end_object();
  return line;
}

template <typename T>
T parse_document(const std::string& text, std::string_view what) {
  if (text.empty()) return {};
  try {
    return api::parse_json<T>(text);
  } catch (const Error& error) {
    constexpr std::string_view kPrefix = "invalid JSON: ";  // ours alone
    const std::string& message = error.message();
    throw Error::invalid_argument("error reading {}: {}", what, message.starts_with(kPrefix) ? message.substr(kPrefix.size()) : message);
  }
}

/// dockerd answers a bad name of the result with 500.
std::vector<std::string> parse_references(const std::vector<std::string>& names) {
  std::vector<std::string> references;
  for (const auto& name : names) {
    if (name.empty()) continue;
    try {
      const auto reference = api::ImageReference::parse(name);
      if (!reference.digest().empty()) throw Error::internal("build tag cannot contain a digest");
      references.push_back(reference.with_default_tag().familiar());
    } catch (const Error& error) {
      throw Error::internal("{}", error.message());
    }
    if (std::ranges::find(references.begin(), references.end() - 1, references.back()) != references.end() - 1) references.pop_back();
  }
  return references;
}

/// The credentials for the registry of an image, out of X-Registry-Config.
std::optional<api::AuthConfig> credentials_for(const std::map<std::string, api::AuthConfig>& all, const std::string& reference) {
  const auto parsed = api::ImageReference::find(reference);
  if (!parsed) return std::nullopt;
  const std::string key = parsed->domain() == "docker.io" ? std::string(kDockerHub) : parsed->domain();
  for (const std::string& name : {key, "https://" + key, "http://" + key, "https://" + key + "/v1/", "https://" + key + "/v2/"}) {
    if (const auto found = all.find(name); found != all.end()) return found->second;
  }
  return std::nullopt;
}

std::map<std::string, api::AuthConfig> parse_registry_config(const std::string& header) {
  const auto json = decode_base64(header);
  if (header.empty() || !json || json->empty()) return {};
  try {
    return api::parse_json<std::map<std::string, api::AuthConfig>>(*json);
  } catch (const Error&) {
    return {};  // as dockerd: to pull may work without
  }
}

/// Lines come from one place: whether any was written decides how a failure is told.
class WatchedSink final : public ProgressSink {
 public:
  explicit WatchedSink(ProgressSink& inner) : inner_(inner) {}
  Task<void> write(std::string json_line) override {
    written_ = true;
    return inner_.write(std::move(json_line));
  }
  bool written() const { return written_; }

 private:
  ProgressSink& inner_;
  bool written_ = false;
};

/// A quiet build keeps its output for the case that it fails, and no more of it than is useful then.
class QuietSink final : public ProgressSink {
 public:
  Task<void> write(std::string json_line) override {
    constexpr std::size_t kMost = 4UL * 1024 * 1024;
    bytes_ += json_line.size();
    lines_.push_back(std::move(json_line));
    while (bytes_ > kMost) {
      bytes_ -= lines_.front().size();
      lines_.pop_front();
    }
    co_return;
  }
  std::deque<std::string> take() { return std::move(lines_); }

 private:
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
};

class ServedImages final : public BaseImages {
 public:
  ServedImages(ImageService& images, const api::ImageBuildParams& params)
      : images_(images),
        always_pull_(params.pull),
        platform_(params.platform),
        credentials_(parse_registry_config(params.x_registry_config)) {}

  Task<std::string> get(std::string reference, ProgressSink& progress) override {
    if (!always_pull_) {
      if (const auto known = images_.find(reference)) co_return known->id;
    }
    // An id names nothing that a registry has.
    if (reference.starts_with("sha256:")) co_return images_.get(reference)->id;
    ProgressStream lines =
        co_await images_.pull({.image = reference, .tag = {}, .platform = platform_, .auth = credentials_for(credentials_, reference)});
    for (auto piece = co_await lines->next(); !piece.empty(); piece = co_await lines->next()) {
      std::string text(as_text(piece));
      while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
      if (!text.empty()) co_await progress.write(std::move(text));
    }
    co_return images_.get(reference)->id;
  }

 private:
  ImageService& images_;
  const bool always_pull_;
  const std::string platform_;
  const std::map<std::string, api::AuthConfig> credentials_;
};

BuildSpec make_spec(api::ImageBuildParams params) {
  BuildSpec spec;
  spec.arguments = parse_document<decltype(spec.arguments)>(params.buildargs, "build args");
  spec.labels = parse_document<decltype(spec.labels)>(params.labels, "labels");
  if (params.squash) throw Error::invalid_argument("squash is only supported with experimental mode");
  if (!params.outputs.empty()) {
    throw Error::not_implemented("build outputs need BuildKit, which is not served here: use buildx's docker-container driver");
  }
  spec.params = std::move(params);
  return spec;
}

}  // namespace

BuildService::BuildService(BuildDriver* driver, ImageService& images)
    : driver_(driver), images_(images), tasks_(std::make_shared<TaskGroup>()) {}

BuildService::~BuildService() = default;

Task<void> BuildService::stop() { co_await tasks_->stop(kStopPatience); }

Task<ProgressStream> BuildService::build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) {
  auto references = parse_references(params.t);
  co_return make_progress_stream(
      tasks_, "image build",
      [this, spec = make_spec(std::move(params)), references = std::move(references), context = std::move(context)](
          ProgressSink& sink) mutable { return run_build(std::move(spec), std::move(references), std::move(context), sink); });
}

Task<void> BuildService::run_build(BuildSpec spec, std::vector<std::string> references, std::unique_ptr<ByteSource> context,
                                   ProgressSink& sink) {
  const bool quiet = spec.params.q;
  WatchedSink out(sink);
  QuietSink kept;
  ServedImages bases(images_, spec.params);
  ProgressSink& shown = quiet ? static_cast<ProgressSink&>(kept) : out;
  std::exception_ptr failure;
  ImageFacts facts;
  try {
    facts = co_await images_.add_made(driver_->build(std::move(spec), std::move(context), bases, shown), references);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    const Error error = error_of(failure);
    if (error.code() == ErrorCode::cancelled) std::rethrow_exception(failure);
    for (auto& line : kept.take()) co_await out.write(std::move(line));
    if (!out.written()) std::rethrow_exception(failure);
    int exit_code = 0;
    try {
      std::rethrow_exception(failure);
    } catch (const BuildFailure& built) {
      exit_code = built.exit_code();
    } catch (...) {
      exit_code = 0;
    }
    co_return co_await out.write(failure_line(error, exit_code));
  }
  if (quiet) co_return co_await out.write(stream_line(facts.id + "\n"));
  co_await out.write(id_line(facts.id));
  co_await out.write(stream_line(fmt::format("Successfully built {}\n", short_image_id(facts.id))));
  for (const auto& reference : references) co_await out.write(stream_line(fmt::format("Successfully tagged {}\n", reference)));
}

Task<api::BuildPruneResponse> BuildService::prune_cache(api::Filters) {
  api::BuildPruneResponse response;
  response.space_reclaimed = co_await driver_->prune();
  co_return response;
}

}  // namespace sockerless
