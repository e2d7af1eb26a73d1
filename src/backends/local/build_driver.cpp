#include "backends/local/build_driver.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <fstream>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/build_context.hpp"
#include "backends/local/build_flags.hpp"
#include "backends/local/build_gate.hpp"
#include "backends/local/build_output.hpp"
#include "backends/local/build_storage.hpp"
#include "backends/local/dockerfile.hpp"
#include "backends/local/image_driver.hpp"
#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/image_progress.hpp"
#include "oci/saved_archive.hpp"

namespace sockerless::local {

namespace {

Logger& logger() {
  static Logger log("local");
  return log;
}

/// One build: what it holds, and what has to go at its end.
struct Job {
  BuildSpec spec;
  std::string work;
  std::unique_ptr<ImageStore::Addition> addition;
  Dockerfile file;
  std::size_t target = 0;
  std::map<std::string, std::string> image_ids;  // by the name in the Dockerfile
};

class LocalBuilder final : public BuildDriver {
 public:
  LocalBuilder(BlockingPool& pool, std::shared_ptr<ImageStore> images, BuildStorage storage)
      : pool_(pool), images_(std::move(images)), storage_(std::move(storage)) {}

  Task<ImageFacts> build(BuildSpec spec, std::unique_ptr<ByteSource> context, BaseImages& bases, ProgressSink& progress) override {
    co_await tidy_up();
    co_await gate_.enter();
    Job job{.spec = std::move(spec), .work = {}, .addition = nullptr, .file = {}, .target = 0, .image_ids = {}};
    std::exception_ptr failure;
    ImageFacts facts;
    try {
      facts = co_await run(&job, std::move(context), &bases, &progress);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await run_blocking(pool_, [&] { end(job); });
    if (failure) untidy_ = true;
    gate_.leave();
    if (failure) std::rethrow_exception(failure);
    co_return facts;
  }

  Task<std::int64_t> prune() override {
    co_await gate_.close();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    std::exception_ptr failure;
    std::uint64_t freed = 0;
    try {
      freed = co_await run_blocking(pool_, [this] { return storage_.blocking_clear(); });
    } catch (...) {
      failure = std::current_exception();
    }
    gate_.open();
    if (failure) std::rethrow_exception(failure);
    co_return static_cast<std::int64_t>(freed);
  }

 private:
  Task<ImageFacts> run(Job* job, std::unique_ptr<ByteSource> context, BaseImages* bases, ProgressSink* progress) {
    co_await run_blocking(pool_, [&] {
      job->work = storage_.blocking_make_work();
      job->addition = std::make_unique<ImageStore::Addition>(*images_);
    });
    co_await open_context(&pool_, job->spec.params.remote, std::move(context), job->work + "/context");
    co_await run_blocking(pool_, [&] {
      const std::string name = job->spec.params.dockerfile;
      job->file = Dockerfile::parse(blocking_take_dockerfile(job->work + "/context", name), name.empty() ? "Dockerfile" : name);
      job->target = job->file.find_target(job->spec.params.target);
    });
    const std::vector<std::string> flags = build_flags(job->spec);
    for (const auto& name : job->file.images(job->target, job->spec.arguments)) {
      const std::string id = co_await bases->get(name, *progress);
      job->image_ids[name] = id.substr(id.find(':') + 1);
    }
    BuildOutput output(make_plan(job->file, job->target, job->spec.arguments, job->image_ids, job->spec.labels));
    if (is_base_itself(*job)) co_return co_await take_base(job, &output, progress);
    if (is_empty(*job)) {
      co_await show(output.feed("STEP 1/1: FROM scratch\n"), progress);
      throw BuildFailure(0, "No image was generated. Is your Dockerfile empty?");
    }
    for (const auto& [name, id] : job->image_ids) co_await hand_over(job, "sha256:" + id);
    co_await run_buildah(job, flags, &output, progress);
    co_return co_await take_result(job);
  }

  /// Waits where the disk is; nothing here may throw.
  void end(Job& job) {
    job.addition.reset();
    try {
      if (!job.work.empty()) storage_.blocking_remove_work(job.work);
    } catch (const std::exception& error) {
      logger().warn("a build's folder is left behind path={} error={}", job.work, error.what());
    }
  }

  /// FROM alone: the image is the base.
  static bool is_base_itself(const Job& job) {
    return job.file.stages()[job.target].instructions.size() == 1 && job.spec.labels.empty() &&
           job.file.base_image(job.target, job.spec.arguments).has_value() && job.target == 0;
  }

  /// FROM scratch alone.
  static bool is_empty(const Job& job) {
    const BuildStage& stage = job.file.stages()[job.target];
    return job.target == 0 && stage.instructions.size() == 1 && job.spec.labels.empty() && stage.base == "scratch";
  }

  Task<ImageFacts> take_base(Job* job, BuildOutput* output, ProgressSink* progress) {
    co_await show(output->feed("STEP 1/1: FROM base\n"), progress);
    const std::string id = "sha256:" + job->image_ids.begin()->second;
    co_return co_await run_blocking(pool_, [&] {
      job->addition->pin_image(id);
      return facts_of(images_->blocking_get(id));
    });
  }

  /// Puts a base into buildah's store, and keeps its layers in ours: the result shares them.
  Task<void> hand_over(Job* job, std::string id) {
    const bool known = co_await run_blocking(pool_, [&] {
      job->addition->pin_image(id);
      if (!storage_.has_image(id)) return false;
      storage_.blocking_remember_base(id);  // it may be the result of a build
      return true;
    });
    if (known) co_return;
    const std::string archive = job->work + "/base.tar";
    co_await run_blocking(pool_, [&] {
      const UniqueFd file = blocking_open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0600);
      std::vector<oci::SavedImage> saved;
      saved.push_back(images_->blocking_save(id));
      oci::blocking_copy(*oci::make_saved_archive(std::move(saved)), file.get(), "hand an image to the builder");
    });
    co_await run_quietly(storage_.command(job->work, "pull", {"--quiet", "docker-archive:" + archive}));
    co_await run_blocking(pool_, [&] {
      storage_.blocking_remember_base(id);
      ::unlink(archive.c_str());
      if (!storage_.has_image(id)) throw Error::internal("the builder did not take over the image {}", id);
    });
  }

  Task<void> run_quietly(ConfinedCommand command) {
    std::string words;
    const int exit_code =
        co_await run_confined(&pool_, std::move(command), [&words](std::string_view piece) { return keep(&words, piece); });
    if (exit_code != 0) throw BuildFailure(0, words.empty() ? fmt::format("the builder ended with exit code {}", exit_code) : words);
  }

  static Task<void> keep(std::string* words, std::string_view piece) {
    constexpr std::size_t kMost = 64UL * 1024;
    words->append(piece.substr(0, kMost - std::min(kMost, words->size())));
    co_return;
  }

  Task<void> run_buildah(Job* job, std::vector<std::string> flags, BuildOutput* output, ProgressSink* progress) {
    const std::string dockerfile = job->work + "/Dockerfile";
    co_await run_blocking(pool_, [&] {
      const UniqueFd file = blocking_open(dockerfile, O_WRONLY | O_CREAT | O_EXCL, 0600);
      oci::blocking_write_all(file.get(), as_bytes(job->file.with_images(job->image_ids, job->spec.arguments)), "write the Dockerfile");
    });
    for (const auto& flag : storage_.isolation()) flags.push_back(flag);
    flags.insert(flags.end(),
                 {"--ignorefile", storage_.ignore_file(), "--iidfile", job->work + "/id", "-f", dockerfile, job->work + "/context"});
    ConfinedCommand command = storage_.command(job->work, "build", std::move(flags));
    for (auto& variable : build_environment(job->spec)) command.environment.push_back(std::move(variable));
    const int exit_code = co_await run_confined(&pool_, std::move(command),
                                                [output, progress](std::string_view piece) { return show(output->feed(piece), progress); });
    co_await show(output->finish(exit_code != 0), progress);
    if (exit_code == 0) co_return;
    BuilderFailure failure = output->failure(exit_code);
    throw BuildFailure(failure.exit_code, std::move(failure.message));
  }

  static Task<void> show(std::vector<std::string> texts, ProgressSink* progress) {
    for (const auto& text : texts) co_await progress->write(stream_line(text));
  }

  Task<ImageFacts> take_result(Job* job) {
    std::optional<oci::ImageDocument> document;
    const std::string layout = job->work + "/layout";
    const bool complete = co_await run_blocking(pool_, [&] {
      std::string id;
      std::ifstream(job->work + "/id") >> id;
      document = storage_.blocking_document(id);
      return blocking_prepare_layout(*job, *document, layout);
    });
    if (!complete) {
      const std::string hex = document->id().hex();
      co_await run_quietly(storage_.command(job->work, "push", {"--quiet", "--disable-compression", hex, "oci:" + layout + ":result"}));
    }
    co_return co_await run_blocking(pool_, [&] {
      if (!complete) blocking_add_layers(*job, *document, layout);
      std::vector<oci::ImageDocument> documents;
      documents.push_back(*document);
      return facts_of(job->addition->blocking_commit(documents).front());
    });
  }

  /// Layers that the store has already are not written out: the builder finds a file of their name in the layout and leaves it.
  /// @return true when there is no other layer.
  static bool blocking_prepare_layout(Job& job, const oci::ImageDocument& document, const std::string& layout) {
    for (const std::string& directory : {layout, layout + "/blobs", layout + "/blobs/sha256"}) {
      if (::mkdir(directory.c_str(), 0700) != 0) throw from_errno(errno, "make the directory " + directory);
    }
    bool complete = true;
    for (const oci::Digest& diff_id : document.diff_ids) {
      if (job.addition->pin_layer(diff_id)) {
        std::ignore = blocking_open(layout + "/blobs/sha256/" + diff_id.hex(), O_WRONLY | O_CREAT, 0600);
      } else {
        complete = false;
      }
    }
    return complete;
  }

  static void blocking_add_layers(Job& job, const oci::ImageDocument& document, const std::string& layout) {
    const auto read = [&](const std::string& path) { return oci::Blob::whole(std::make_shared<UniqueFd>(blocking_open(path, O_RDONLY))); };
    const auto blob_of = [&](const oci::Digest& digest) { return read(layout + "/blobs/sha256/" + digest.hex()); };
    const auto index = std::get<oci::ImageIndex>(oci::parse_manifest(read(layout + "/index.json").blocking_read_all(oci::kMaxDocument)));
    if (index.manifests.size() != 1) throw Error::internal("the builder wrote {} images", index.manifests.size());
    const auto manifest =
        std::get<oci::ImageManifest>(oci::parse_manifest(blob_of(index.manifests.front().digest).blocking_read_all(oci::kMaxDocument)));
    if (manifest.layers.size() != document.diff_ids.size()) throw Error::internal("the builder wrote another image than it said");
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      job.addition->blocking_add_layer(blob_of(manifest.layers[i].digest), document.diff_ids[i], manifest.layers[i].digest);
    }
  }

  /// Containers that a build left which failed or was killed, and bases that the daemon does not have any more. Only between builds.
  Task<void> tidy_up() {
    if (!gate_.try_close()) co_return;
    std::exception_ptr failure;
    try {
      co_await tidy_up_alone();
    } catch (...) {
      failure = std::current_exception();
    }
    gate_.open();
    if (!failure) co_return;
    const Error error = error_of(failure);
    if (error.code() == ErrorCode::cancelled) std::rethrow_exception(failure);
    logger().warn("the builder's storage is not tidied up error={}", error.what());
  }

  Task<void> tidy_up_alone() {
    const bool cleared = co_await run_blocking(pool_, [this] {
      const auto bases = storage_.blocking_bases();
      if (std::ranges::all_of(bases, [this](const std::string& id) { return images_->has_image(id); })) return false;
      storage_.blocking_clear();
      return true;
    });
    if (!cleared && untidy_) {
      const std::string work = co_await run_blocking(pool_, [this] { return storage_.blocking_make_work(); });
      std::exception_ptr failure;
      try {
        co_await run_quietly(storage_.command(work, "rm", {"--all"}));
      } catch (...) {
        failure = std::current_exception();
      }
      // Only then: a cancellation that comes later is for the build that follows.
      if (failure && error_of(failure).code() == ErrorCode::cancelled) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      }
      co_await run_blocking(pool_, [this, work] { storage_.blocking_remove_work(work); });
      if (failure) std::rethrow_exception(failure);
    }
    untidy_ = false;
  }

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  const std::shared_ptr<ImageStore> images_;  // shared with the other drivers
  const BuildStorage storage_;
  // Any thread.
  BuildGate gate_;
  std::atomic<bool> untidy_ = true;  // an earlier process may have been killed
};

}  // namespace

std::unique_ptr<BuildDriver> make_build_driver(BlockingPool& pool, std::shared_ptr<ImageStore> images, const std::string& directory,
                                               const std::string& runtime) {
  return std::make_unique<LocalBuilder>(pool, std::move(images), BuildStorage::blocking_open(directory, runtime));
}

}  // namespace sockerless::local
