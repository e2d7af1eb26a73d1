#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backends/local/image_store.hpp"
#include "base/guarded.hpp"
#include "base/task.hpp"
#include "oci/manifest.hpp"
#include "oci/registry_client.hpp"

// Layers on their way from a registry into the store. Each is a task of its own, so several come at once and one unpacks while others
// download; pulls that need the same layer of the same repository share one. Bytes go to a nameless file and are hashed as they come: a
// broken download goes on where it broke, and whatever ends the process leaves nothing behind.

namespace sockerless::local {

enum class FetchPhase : std::uint8_t { preparing, waiting, downloading, retrying, verifying, downloaded, extracting, done, failed };

struct FetchState {
  FetchPhase phase = FetchPhase::preparing;
  std::uint64_t bytes = 0;         ///< that came so far
  std::int64_t retry_seconds = 0;  ///< of retrying
  std::exception_ptr failure;      ///< of failed
};

struct FetchOptions {
  int downloads_at_once = 3;  ///< as dockerd's max-concurrent-downloads
  int attempts = 5;           ///< of a download from which nothing more comes, as dockerd's
  std::chrono::milliseconds retry_delay = std::chrono::seconds(2);
};

/// What is fetched: its source and what it has to be.
struct LayerRequest {
  std::shared_ptr<oci::RegistryClient> client;  // shared by the layers of a pull
  std::string domain;
  std::string repository;
  oci::Descriptor descriptor;
  oci::Digest diff_id;
};

/// Threads: any.
class LayerFetches {
 public:
  class Fetch;

  LayerFetches(BlockingPool& pool, ExecutorSource executors, std::shared_ptr<ImageStore> store, FetchOptions options);
  ~LayerFetches();
  LayerFetches(const LayerFetches&) = delete;
  LayerFetches& operator=(const LayerFetches&) = delete;

  /// Takes part in fetching a layer, beginning it where nobody does. Each needs a leave().
  std::shared_ptr<Fetch> join(LayerRequest request);
  FetchState state(const Fetch& fetch) const;
  /// Nobody else takes part: the fetch is ended, and has ended when this returns. A layer that arrived stays in the store only when it is
  /// pinned by somebody else.
  Task<void> leave(std::shared_ptr<Fetch> fetch);
  /// Notified whenever any fetch has changed.
  Signal& changed() { return changed_; }

 private:
  struct Key {
    std::string repository;
    std::string digest;
    std::string diff_id;
    auto operator<=>(const Key&) const = default;
  };
  struct Table {
    std::map<Key, std::shared_ptr<Fetch>> fetches;
    int downloading = 0;
  };
  class Slot;

  Task<void> run(std::shared_ptr<Fetch> fetch);
  Task<oci::Blob> download(std::shared_ptr<Fetch> fetch);
  Task<void> wait_for_slot(Fetch* fetch);
  Task<void> until_abandoned(std::shared_ptr<Fetch> fetch);
  void set(Fetch& fetch, FetchPhase phase);

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  const ExecutorSource executors_;
  const std::shared_ptr<ImageStore> store_;
  const FetchOptions options_;
  // Any thread.
  Guarded<Table> table_;
  Signal changed_;
  TaskGroup tasks_;
};

}  // namespace sockerless::local
