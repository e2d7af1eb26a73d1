#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.hpp"

namespace sockerless {

/// What kinds of documents the engine keeps. The name is the table row's kind on disk.
enum class StateKind {
  engine,           ///< id "engine": the daemon's own identity
  container,        ///< by container id: what it is (configuration, mounts, name)
  container_state,  ///< by container id: how it is doing (status, exit code, networks)
  image,            ///< by image id: its references
  network,          ///< by network id
  volume,           ///< by volume name
};

std::string_view name_of(StateKind kind);

/// Where the engine's state survives: JSON documents by kind and id.
///
/// A put has returned only when the document will be found again after the process is killed. Puts of one id that are awaited one after the
/// other keep their order. Threads: any. Cancellation: none; a write runs to its end.
class StateStore {
 public:
  virtual ~StateStore() = default;
  /// Writes or replaces. @errors unavailable: the disk is full or broken; the earlier document stands.
  virtual Task<void> put(StateKind kind, std::string id, std::string json) = 0;
  /// Idempotent.
  virtual Task<void> erase(StateKind kind, std::string id) = 0;
  /// Every (id, document) of a kind, ordered by id.
  virtual Task<std::vector<std::pair<std::string, std::string>>> load_all(StateKind kind) = 0;
};

/// State in an SQLite file in WAL mode; made when missing. Writes that wait for each other share one transaction.
/// Blocks: call it from where blocking is fine. @errors unavailable: the file cannot be opened or is no such database.
std::unique_ptr<StateStore> blocking_open_sqlite_store(const std::string& path, BlockingPool& pool);

/// State that ends with the process.
std::unique_ptr<StateStore> make_memory_store();

}  // namespace sockerless
