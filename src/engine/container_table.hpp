#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/guarded.hpp"
#include "base/task.hpp"
#include "engine/container_record.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

/// A name held for a container that is being made; given back unless the container is inserted under it.
class NameReservation;

/// All containers, found by id, unique prefix, name and label.
///
/// One reader-writer lock, never held across an await; what it hands out are records, which have their own. Threads: any.
class ContainerTable {
 public:
  explicit ContainerTable(StateStore& store);
  ContainerTable(const ContainerTable&) = delete;
  ContainerTable& operator=(const ContainerTable&) = delete;

  /// By full id, then name (with or without the slash), then unique prefix of an id.
  /// @errors not_found "No such container: x"; invalid_argument "multiple IDs found with provided prefix: x".
  ContainerPtr get(std::string_view reference) const;
  /// The same, null when there is none or the prefix is not unique.
  ContainerPtr find(std::string_view reference) const;

  /// Newest first.
  std::vector<ContainerPtr> all() const;
  /// Those that carry every one of the labels ("key" or "key=value"), newest first. Costs what it finds, not what there is.
  std::vector<ContainerPtr> with_labels(const std::vector<std::string>& labels) const;
  std::vector<ContainerPtr> using_image(std::string_view image_id) const;
  std::vector<ContainerPtr> using_volume(std::string_view volume_name) const;
  /// Those with an endpoint whose NetworkID is this one, running or not.
  std::vector<ContainerPtr> on_network(std::string_view network_id) const;
  std::size_t size() const;

  /// @errors conflict: the name is taken, in Docker's words.
  NameReservation reserve_name(std::string name, const ContainerId& id);
  void insert(const ContainerPtr& record, NameReservation reservation);
  /// Gives the record the reserved name instead of its own; its definition must already carry it or be set by the caller.
  void rename(const ContainerPtr& record, NameReservation reservation);
  void erase(const ContainerPtr& record);

  /// Writes the definition; returns when it is safe.
  Task<void> save_definition(ContainerPtr record);
  /// Writes state and networks; returns when it is safe.
  Task<void> save_state(ContainerPtr record);
  Task<void> forget(ContainerId id);
  /// Reads everything back into the (empty) table; damaged documents are logged and left out.
  Task<void> load();

 private:
  friend class NameReservation;

  struct Rows {
    std::map<std::string, ContainerPtr, std::less<>> by_id;                           // ordered: a prefix is a range
    std::map<std::string, std::string, std::less<>> id_of_name;                       // reserved names too
    std::map<std::uint64_t, ContainerPtr> by_age;                                     // by sequence, oldest first
    std::unordered_map<std::string, std::uint64_t> sequence_of;                       // id -> key of by_age
    std::unordered_map<std::string, std::map<std::uint64_t, ContainerPtr>> by_label;  // "key" and "key=value"
    std::uint64_t next_sequence = 1;
  };

  static ContainerPtr lookup(const Rows& rows, std::string_view reference, bool& ambiguous);
  void release_name(const std::string& name, const std::string& id);

  StateStore& store_;
  Guarded<Rows> rows_;
};

class NameReservation {
 public:
  NameReservation(ContainerTable& table, std::string name, std::string id) : table_(&table), name_(std::move(name)), id_(std::move(id)) {}
  NameReservation(NameReservation&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), name_(std::move(other.name_)), id_(std::move(other.id_)) {}
  NameReservation& operator=(NameReservation&&) = delete;
  ~NameReservation() {
    if (table_ != nullptr) table_->release_name(name_, id_);
  }
  const std::string& name() const { return name_; }

 private:
  friend class ContainerTable;
  ContainerTable* table_;
  std::string name_;
  std::string id_;
};

}  // namespace sockerless
