#include "engine/state_store.hpp"

#include <map>

#include "base/guarded.hpp"

namespace sockerless {

std::string_view name_of(StateKind kind) {
  switch (kind) {
    case StateKind::engine:
      return "engine";
    case StateKind::container:
      return "container";
    case StateKind::container_state:
      return "container_state";
    case StateKind::image:
      return "image";
    case StateKind::network:
      return "network";
    case StateKind::volume:
      return "volume";
  }
  return "unknown";
}

namespace {

class MemoryStore final : public StateStore {
 public:
  Task<void> put(StateKind kind, std::string id, std::string json) override {
    rows_.write([&](Rows& rows) { rows[kind].insert_or_assign(std::move(id), std::move(json)); });
    co_return;
  }
  Task<void> erase(StateKind kind, std::string id) override {
    rows_.write([&](Rows& rows) { rows[kind].erase(id); });
    co_return;
  }
  Task<std::vector<std::pair<std::string, std::string>>> load_all(StateKind kind) override {
    std::vector<std::pair<std::string, std::string>> found;
    rows_.read([&](const Rows& rows) {
      if (const auto it = rows.find(kind); it != rows.end()) found.assign(it->second.begin(), it->second.end());
    });
    co_return found;
  }

 private:
  using Rows = std::map<StateKind, std::map<std::string, std::string>>;
  Guarded<Rows> rows_;
};

}  // namespace

std::unique_ptr<StateStore> make_memory_store() { return std::make_unique<MemoryStore>(); }

}  // namespace sockerless
