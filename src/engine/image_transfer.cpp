// Images that come and go: load, import, pull, save, and what needs a registry.

#include <algorithm>

#include <boost/json.hpp>

#include "base/error.hpp"
#include "engine/image_progress.hpp"
#include "engine/image_service.hpp"

namespace sockerless {

namespace {

std::string line(std::string_view key, std::string_view text) { return boost::json::serialize(boost::json::object{{key, text}}); }

class NoProgress final : public ProgressSink {
 public:
  Task<void> write(std::string) override { co_return; }
};

Error no_registry(std::string_view what) {
  return Error::not_implemented(
      "{} is not implemented yet: this backend has no registry client; use docker save and docker load to move images", what);
}

}  // namespace

/// Content that arrives while somebody removes the very same content: whoever is being loaded must notice.
class ImageService::Transfer {
 public:
  explicit Transfer(ImageService& service) : service_(service) {
    service_.images_.write([](Table& table) { ++table.transfers; });
  }
  ~Transfer() {
    service_.images_.write([](Table& table) {
      if (--table.transfers == 0) table.removed.clear();
    });
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

 private:
  ImageService& service_;
};

void ImageService::add_facts(const ImageFacts& facts) {
  images_.write([&](Table& table) {
    if (table.removed.contains(facts.id))
      throw Error::conflict("image {} was removed while it arrived, try again", short_image_id(facts.id));
    table.add(std::make_shared<const ImageFacts>(facts));
  });
}

Task<ProgressStream> ImageService::load(std::unique_ptr<ByteSource> archive, bool quiet) {
  co_return make_progress_stream(tasks_, "image load", [this, archive = std::move(archive), quiet](ProgressSink& sink) mutable {
    return run_load(std::move(archive), quiet, sink);
  });
}

Task<void> ImageService::run_load(std::unique_ptr<ByteSource> archive, bool quiet, ProgressSink& sink) {
  const Transfer transfer(*this);
  NoProgress silence;
  auto images = co_await driver_.load(std::move(archive), quiet ? static_cast<ProgressSink&>(silence) : sink);
  for (const auto& image : images) add_facts(image.facts);
  for (auto& text : co_await name_loaded(std::move(images))) co_await sink.write(line("stream", text));
}

/// Gives loaded images the names they came with. @return what the client is told.
Task<std::vector<std::string>> ImageService::name_loaded(std::vector<NamedImage> images) {
  const OperationLock::Guard turn = co_await changes_.acquire();
  std::vector<std::string> told;
  std::vector<std::string> nameless;
  for (const auto& image : images) {
    const std::string& id = image.facts.id;
    for (const auto& given : image.references) {
      const std::string reference = api::ImageReference::parse(given).with_default_tag().familiar();
      const std::string owner = co_await assign(id, reference);
      if (!owner.empty() && owner != id) {
        told.push_back(fmt::format("The image {} already exists, renaming the old one with ID {} to empty string\n", reference, owner));
      }
      told.push_back(fmt::format("Loaded image: {}\n", reference));
    }
    nameless.push_back(fmt::format("Loaded image ID: {}\n", id));
    publish("load", id, id);
  }
  const bool any_name = std::ranges::any_of(images, [](const NamedImage& image) { return !image.references.empty(); });
  co_return any_name ? told : nameless;
}

Task<ProgressStream> ImageService::import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) {
  std::string reference;
  if (!options.repo.empty()) {
    auto parsed = api::ImageReference::parse(options.repo);
    if (!parsed.digest().empty()) throw Error::invalid_argument("cannot import digest reference");
    reference = (options.tag.empty() ? parsed.with_default_tag() : parsed.with_tag(options.tag)).familiar();
  }
  ImportSpec spec{std::move(options.message), std::move(options.platform), std::move(options.changes)};
  if (spec.message.empty()) spec.message = "Imported from " + options.source;
  co_return make_progress_stream(
      tasks_, "image import",
      [this, spec = std::move(spec), reference = std::move(reference), tar = std::move(tar)](ProgressSink& sink) mutable {
        return run_import(std::move(spec), std::move(reference), std::move(tar), sink);
      });
}

Task<void> ImageService::run_import(ImportSpec spec, std::string reference, std::unique_ptr<ByteSource> tar, ProgressSink& sink) {
  const Transfer transfer(*this);
  const ImageFacts facts = co_await driver_.import(std::move(spec), std::move(tar), sink);
  add_facts(facts);
  if (!reference.empty()) {
    const OperationLock::Guard turn = co_await changes_.acquire();
    co_await assign(facts.id, reference);
    publish("tag", facts.id, reference);
  }
  publish("import", facts.id, facts.id);
  co_await sink.write(line("status", facts.id));
}

Task<std::string> ImageService::commit(CommitSpec spec, std::string reference, std::unique_ptr<ByteSource> layer) {
  std::vector<std::string> names;
  if (!reference.empty()) names.push_back(std::move(reference));
  co_return (co_await add_made(driver_.commit(std::move(spec), std::move(layer)), std::move(names))).id;
}

Task<ImageFacts> ImageService::add_made(Task<ImageFacts> work, std::vector<std::string> references) {
  const Transfer transfer(*this);
  ImageFacts facts = co_await std::move(work);
  add_facts(facts);
  const OperationLock::Guard turn = co_await changes_.acquire();
  for (const auto& reference : references) {
    co_await assign(facts.id, reference);
    publish("tag", facts.id, reference);
  }
  co_return facts;
}

Task<ProgressStream> ImageService::pull(PullImageOptions options) {
  if (!can_pull()) throw no_registry("pulling images");
  auto reference = api::ImageReference::parse(options.image);
  if (options.tag.starts_with("sha256:")) {
    reference = reference.with_digest(options.tag);
  } else if (!options.tag.empty()) {
    reference = reference.with_tag(options.tag);
  }
  PullSpec spec{reference.with_default_tag().canonical(), std::move(options.platform), std::move(options.auth)};
  co_return make_progress_stream(tasks_, "image pull", [this, spec = std::move(spec)](ProgressSink& sink) { return run_pull(spec, sink); });
}

Task<void> ImageService::run_pull(PullSpec spec, ProgressSink& sink) {
  const Transfer transfer(*this);
  const auto reference = api::ImageReference::parse(spec.reference);
  spec.current_id = images_.read([&](const Table& table) { return table.owner_of(reference.familiar()); });
  const NamedImage image = co_await driver_.pull(std::move(spec), sink);
  add_facts(image.facts);
  const OperationLock::Guard turn = co_await changes_.acquire();
  for (const auto& name : image.references) {
    co_await assign(image.facts.id, api::ImageReference::parse(name).with_default_tag().familiar());
  }
  if (!image.repo_digest.empty()) {
    const auto by_digest = api::ImageReference::parse(image.repo_digest);
    co_await assign(image.facts.id, by_digest.familiar_name() + "@" + by_digest.digest());
  }
  publish("pull", reference.familiar(), reference.familiar_name(), &image.facts);
}

Task<std::unique_ptr<ByteSource>> ImageService::save(std::vector<ImageRef> images) {
  std::vector<NamedImage> wanted;
  images_.read([&](const Table& table) {
    const auto add = [&](const std::string& id, const std::string& tag) {
      auto it = std::ranges::find(wanted, id, [](const NamedImage& image) -> const std::string& { return image.facts.id; });
      if (it == wanted.end()) it = wanted.insert(wanted.end(), NamedImage{*table.find(id)->facts, {}, {}});
      if (!tag.empty() && std::ranges::find(it->references, tag) == it->references.end()) it->references.push_back(tag);
    };
    for (const auto& image : images) {
      const auto parsed = api::ImageReference::find(image.text);
      const auto tags =
          parsed && parsed->tag().empty() && parsed->digest().empty() ? table.tags_of(parsed->familiar_name()) : std::vector<std::string>();
      for (const auto& tag : tags) add(table.owner_of(tag), tag);
      if (!tags.empty()) continue;
      const ImageMatch found = table.require(image.text);
      add(found.id, found.reference.contains('@') ? std::string() : found.reference);
    }
  });
  std::vector<std::string> ids;
  for (const auto& image : wanted) ids.push_back(image.facts.id);
  auto archive = co_await driver_.save(std::move(wanted));
  for (const auto& id : ids) publish("save", id, id);
  co_return archive;
}

Task<ProgressStream> ImageService::push(PushImageOptions options) {
  auto reference = api::ImageReference::parse(options.image.text);
  if (!reference.digest().empty()) throw Error::invalid_argument("cannot push a digest reference");
  if (!options.tag.empty()) reference = reference.with_tag(options.tag);
  std::vector<PushSpec> pushes;
  images_.read([&](const Table& table) {
    const auto all = table.tags_of(reference.familiar_name());
    if (all.empty()) throw Error::internal("An image does not exist locally with the tag: {}", reference.familiar_name());
    for (const std::string& tag : reference.tag().empty() ? all : std::vector{reference.familiar()}) {
      const std::string id = table.owner_of(tag);
      if (id.empty()) throw Error::internal("tag does not exist: {}", tag);
      pushes.push_back({{*table.find(id)->facts, {tag}, {}}, api::ImageReference::parse(tag).canonical(), options.auth});
    }
  });
  co_return make_progress_stream(tasks_, "image push",
                                 [this, name = reference.canonical_name(), pushes = std::move(pushes)](ProgressSink& sink) mutable {
                                   return run_push(std::move(name), std::move(pushes), sink);
                                 });
}

Task<void> ImageService::run_push(std::string name, std::vector<PushSpec> pushes, ProgressSink& sink) {
  co_await sink.write(line("status", fmt::format("The push refers to repository [{}]", name)));
  for (PushSpec& push : pushes) {
    const auto reference = api::ImageReference::parse(push.reference);
    const ImageFacts facts = push.image.facts;
    const std::string digest = co_await driver_.push(std::move(push), sink);
    const OperationLock::Guard turn = co_await changes_.acquire();
    const bool is_there = images_.read([&](const Table& table) { return table.find(facts.id) != nullptr; });
    if (is_there) co_await assign(facts.id, reference.familiar_name() + "@" + digest);
    publish("push", reference.familiar(), reference.familiar_name(), &facts);
  }
}

Task<std::vector<api::ImageSearchResponseItem>> ImageService::search(SearchImagesOptions options) {
  const std::int64_t limit = options.limit.value_or(25);
  if (limit < 1 || limit > 100) throw Error::invalid_argument("Limit {} is outside the range of [1, 100]", limit);
  co_return co_await driver_.search(std::move(options.term), limit, std::nullopt);
}

Task<api::DistributionInspect> ImageService::inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) {
  co_return co_await driver_.inspect_distribution(api::ImageReference::parse(image).with_default_tag().canonical(), std::move(auth));
}

Task<api::AuthResponse> ImageService::auth(api::AuthConfig credentials) { return driver_.log_in(std::move(credentials)); }

}  // namespace sockerless
