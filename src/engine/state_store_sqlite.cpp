// State in one SQLite file.
//
// Every document is a row of one table, so that a write is one prepared statement. WAL with synchronous=NORMAL survives the death of the
// process at any point (a commit is in the file system's hands before it returns) and costs no fsync a write; a power cut may lose the last
// commits but never damages the file. There is one connection; a writer that waited for its turn takes along whatever else has queued up
// meanwhile, in one transaction (group commit).

#include <deque>
#include <mutex>
#include <optional>

#include <sqlite3.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/state_store.hpp"

namespace sockerless {

namespace {

Logger log("engine");

/// SQLite's failure as ours; `doing` names what was attempted.
Error from_sqlite(sqlite3* database, std::string_view doing) {
  return Error::unavailable("{}: {}", doing, database != nullptr ? sqlite3_errmsg(database) : "out of memory");
}

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

struct Write {
  StateKind kind;
  std::string id;
  std::optional<std::string> json;  // nothing: erase
  bool done = false;                // under the writer's lock
  std::optional<Error> failure;     // same
};

class SqliteStore final : public StateStore {
 public:
  SqliteStore(const std::string& path, BlockingPool& pool) : pool_(pool) {
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(opened);
    if (result != SQLITE_OK) throw from_sqlite(opened, "open the state file " + path);
    sqlite3_busy_timeout(opened, 5000);
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=NORMAL");
    execute(
        "CREATE TABLE IF NOT EXISTS documents (kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT "
        "ROWID");
    put_ = prepare("INSERT INTO documents (kind, id, json) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET json = ?3");
    erase_ = prepare("DELETE FROM documents WHERE kind = ?1 AND id = ?2");
    load_ = prepare("SELECT id, json FROM documents WHERE kind = ?1 ORDER BY id");
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    rollback_ = prepare("ROLLBACK");
  }

  Task<void> put(StateKind kind, std::string id, std::string json) override {
    co_await submit(std::make_shared<Write>(Write{kind, std::move(id), std::move(json), false, {}}));
  }

  Task<void> erase(StateKind kind, std::string id) override {
    co_await submit(std::make_shared<Write>(Write{kind, std::move(id), std::nullopt, false, {}}));
  }

  Task<std::vector<std::pair<std::string, std::string>>> load_all(StateKind kind) override {
    return run_blocking(pool_, [this, kind] { return blocking_load(kind); });
  }

 private:
  Task<void> submit(std::shared_ptr<Write> write) {
    {
      const std::scoped_lock lock(queue_mutex_);
      queue_.push_back(write);
    }
    co_await run_blocking(pool_, [this, write] {
      const std::scoped_lock lock(writer_mutex_);
      if (!write->done) blocking_drain();
      if (write->failure) throw *write->failure;
    });
  }

  void blocking_drain() {
    std::deque<std::shared_ptr<Write>> batch;
    {
      const std::scoped_lock lock(queue_mutex_);
      batch.swap(queue_);
    }
    std::optional<Error> failure;
    try {
      step(begin_, "begin");
      for (const auto& write : batch) blocking_apply(*write);
      step(commit_, "commit");
    } catch (const Error& error) {
      failure = error;
      if (sqlite3_get_autocommit(database_.get()) == 0) {
        sqlite3_step(rollback_.get());
        sqlite3_reset(rollback_.get());
      }
    }
    for (const auto& write : batch) {
      write->done = true;
      write->failure = failure;
    }
  }

  void blocking_apply(const Write& write) {
    const Statement& statement = write.json ? put_ : erase_;
    bind(statement, 1, name_of(write.kind));
    bind(statement, 2, write.id);
    if (write.json) bind(statement, 3, *write.json);
    step(statement, write.json ? "write state" : "erase state");
  }

  std::vector<std::pair<std::string, std::string>> blocking_load(StateKind kind) {
    const std::scoped_lock lock(writer_mutex_);
    std::vector<std::pair<std::string, std::string>> found;
    bind(load_, 1, name_of(kind));
    int result = SQLITE_ROW;
    while ((result = sqlite3_step(load_.get())) == SQLITE_ROW) found.emplace_back(column(0), column(1));
    sqlite3_reset(load_.get());
    if (result != SQLITE_DONE) throw from_sqlite(database_.get(), "read state");
    return found;
  }

  std::string column(int index) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(load_.get(), index));
    return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(load_.get(), index)));
  }

  void execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      throw from_sqlite(database_.get(), "prepare the state file");
  }

  Statement prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      throw from_sqlite(database_.get(), "prepare the state file");
    }
    return Statement(statement);
  }

  // The text outlives the step that follows at once.
  static void bind(const Statement& statement, int index, std::string_view text) {
    sqlite3_bind_text64(statement.get(), index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  }

  void step(const Statement& statement, std::string_view doing) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_DONE || result == SQLITE_ROW) {
      sqlite3_reset(statement.get());
      return;
    }
    const Error error = from_sqlite(database_.get(), doing);
    sqlite3_reset(statement.get());
    log.error("state not written error={}", error.message());
    throw error;
  }

  // Set in the constructor, never changed.
  BlockingPool& pool_;
  // Under writer_mutex_, on the pool's threads only.
  std::mutex writer_mutex_;
  Database database_;
  Statement put_, erase_, load_, begin_, commit_, rollback_;
  // Under queue_mutex_.
  std::mutex queue_mutex_;
  std::deque<std::shared_ptr<Write>> queue_;
};

}  // namespace

std::unique_ptr<StateStore> blocking_open_sqlite_store(const std::string& path, BlockingPool& pool) {
  return std::make_unique<SqliteStore>(path, pool);
}

}  // namespace sockerless
