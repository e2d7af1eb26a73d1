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
//
// No registry holds up the others: a few downloads at once go to each, one that only trickles is given up, and of the blocking pool's
// threads unpacking and compressing take two each, however long a layer needs.

namespace sockerless::local {

enum class FetchPhase : std::uint8_t { preparing, waiting, downloading, retrying, verifying, downloaded, extracting, done, failed };

struct FetchState {
  FetchPhase phase = FetchPhase::preparing;
  std::uint64_t bytes = 0;         ///< that came so far
  std::int64_t retry_seconds = 0;  ///< of retrying
  std::exception_ptr failure;      ///< of failed
};

struct FetchOptions {
  int downloads_at_once = 3;  ///< from one registry, as dockerd's max-concurrent-downloads
  int attempts = 5;           ///< of a download from which nothing more comes, as dockerd's
  std::chrono::milliseconds retry_delay = std::chrono::seconds(2);
};

/// Lets a few at once do something under a name; the others wait until one of them is through.
///
/// Threads: any.
class Turns {
  struct State {
    Guarded<std::map<std::string, int>> taken;
    Signal given_back;
  };

 public:
  /// Given back at its end.
  class Turn {
   public:
    Turn(std::shared_ptr<State> state, std::string name) : state_(std::move(state)), name_(std::move(name)) {}
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    const std::shared_ptr<State> state_;  // shared with the turns and whoever waits for one: either may outlive the table
    const std::string name_;
  };

  explicit Turns(int at_once) : at_once_(at_once) {}
  /// @return null: not now.
  std::unique_ptr<const Turn> try_take(const std::string& name);
  /// Cancellation: terminal and total.
  Task<std::unique_ptr<const Turn>> take(std::string name);

 private:
  const int at_once_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();  // see Turn
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
  Signal& changed() { return *changed_; }
  /// For what keeps a thread of the pool busy with a layer: "unpack", "compress".
  Turns& labour() { return labour_; }

 private:
  class PartialBlob;
  struct Key {
    std::string repository;
    std::string digest;
    std::string diff_id;
    auto operator<=>(const Key&) const = default;
  };
  struct Table {
    std::map<Key, std::shared_ptr<Fetch>> fetches;
  };

  Task<void> run(std::shared_ptr<Fetch> fetch);
  Task<oci::Blob> download(std::shared_ptr<Fetch> fetch);
  Task<void> receive(Fetch* fetch, PartialBlob* blob);
  Task<void> unpack(std::shared_ptr<Fetch> fetch, ImageStore::Addition* pins);
  Task<void> until_abandoned(std::shared_ptr<Fetch> fetch);
  void set(Fetch& fetch, FetchPhase phase);

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  const ExecutorSource executors_;
  const std::shared_ptr<ImageStore> store_;
  const FetchOptions options_;
  // Any thread.
  Guarded<Table> table_;
  const std::shared_ptr<Signal> changed_ = std::make_shared<Signal>();  // shared with the tasks, whose last act is to notify
  Turns downloads_;                                                     // by registry
  Turns labour_{2};
  TaskGroup tasks_;
};

}  // namespace sockerless::local
