#pragma once
// Drivers for the engine's own tests: everything happens in memory, when the test says so.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"
#include "engine/container_table.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"

namespace sockerless::fakes {

/// The output of a container, of all its runs.
struct FakeLog {
  struct Record {
    StdStream stream;
    TimePoint time;
    std::string text;
  };
  struct State {
    std::vector<Record> records;
    bool running = false;
  };
  Guarded<State> state;
  Signal changed;

  void write(StdStream stream, std::string text, TimePoint time = {}) {
    state.write([&](State& s) { s.records.push_back({stream, time, std::move(text)}); });
    changed.notify();
  }
  void set_running(bool running) {
    state.write([&](State& s) { s.running = running; });
    changed.notify();
  }
};

class FakeLogReader final : public LogReader {
 public:
  FakeLogReader(std::shared_ptr<FakeLog> log, std::uint64_t at) : log_(std::move(log)), at_(at) {}
  Task<std::span<const LogRecord>> next() override {
    texts_.clear();
    records_.clear();
    log_->state.read([&](const FakeLog::State& state) {
      for (; at_ < state.records.size(); ++at_) texts_.push_back(state.records[at_]);
    });
    for (const auto& record : texts_) records_.push_back({record.stream, record.time, as_bytes(record.text)});
    co_return records_;
  }
  Task<void> wait_for_more() override {
    for (;;) {
      const std::uint64_t seen = log_->changed.version();
      if (log_->state.read([&](const FakeLog::State& state) { return at_ < state.records.size() || !state.running; })) co_return;
      co_await log_->changed.wait_changed(seen);
    }
  }
  bool is_over() override {
    return log_->state.read([](const FakeLog::State& state) { return !state.running; });
  }

 private:
  std::shared_ptr<FakeLog> log_;
  std::uint64_t at_;
  std::vector<FakeLog::Record> texts_;
  std::vector<LogRecord> records_;
};

/// What was written to a stdin.
struct FakeInput {
  struct State {
    std::string text;
    bool closed = false;
  };
  Guarded<State> state;
  Signal changed;
  std::string text() const {
    return state.read([](const State& s) { return s.text; });
  }
  bool closed() const {
    return state.read([](const State& s) { return s.closed; });
  }
};

class FakeStdinWriter final : public StdinWriter {
 public:
  explicit FakeStdinWriter(std::shared_ptr<FakeInput> input) : input_(std::move(input)) {}
  Task<void> write(std::span<const std::byte> bytes) override {
    input_->state.write([&](FakeInput::State& state) { state.text += as_text(bytes); });
    input_->changed.notify();
    co_return;
  }
  Task<void> close() override {
    input_->state.write([](FakeInput::State& state) { state.closed = true; });
    input_->changed.notify();
    co_return;
  }

 private:
  std::shared_ptr<FakeInput> input_;
};

/// An exec whose output and end the test decides.
struct FakeExec {
  struct State {
    std::vector<std::pair<StdStream, std::string>> output;
    bool output_ended = false;
    std::optional<int> exit_code;
    bool killed = false;
    std::optional<TerminalSize> size;
  };
  ExecSpec spec;
  Guarded<State> state;
  Signal changed;
  std::shared_ptr<FakeInput> input = std::make_shared<FakeInput>();

  explicit FakeExec(ExecSpec given) : spec(std::move(given)) {}
  void write(StdStream stream, std::string text) {
    state.write([&](State& s) { s.output.emplace_back(stream, std::move(text)); });
    changed.notify();
  }
  void end_output() {
    state.write([](State& s) { s.output_ended = true; });
    changed.notify();
  }
  void exit(int code) {
    state.write([&](State& s) { s.exit_code = code; });
    changed.notify();
  }
};

class FakeExecProcess final : public ExecProcess {
 public:
  explicit FakeExecProcess(std::shared_ptr<FakeExec> exec) : exec_(std::move(exec)), input_(exec_->input) {}
  std::int64_t pid() const override { return 4711; }
  Task<std::optional<LogRecord>> read() override {
    for (;;) {
      const std::uint64_t seen = exec_->changed.version();
      bool ended = false;
      const bool got = exec_->state.write([&](FakeExec::State& state) {
        ended = state.output_ended;
        if (state.output.empty()) return false;
        current_ = std::move(state.output.front());
        state.output.erase(state.output.begin());
        return true;
      });
      if (got) co_return LogRecord{current_.first, {}, as_bytes(current_.second)};
      if (ended) co_return std::nullopt;
      co_await exec_->changed.wait_changed(seen);
    }
  }
  StdinWriter* standard_input() override { return exec_->spec.attach_stdin ? &input_ : nullptr; }
  Task<void> resize(TerminalSize size) override {
    exec_->state.write([&](FakeExec::State& state) { state.size = size; });
    co_return;
  }
  Task<void> kill() override {
    exec_->state.write([&](FakeExec::State& state) { state.killed = true; });
    co_return;
  }
  Task<int> wait() override {
    for (;;) {
      const std::uint64_t seen = exec_->changed.version();
      if (const auto code = exec_->state.read([](const FakeExec::State& state) { return state.exit_code; })) co_return *code;
      co_await exec_->changed.wait_changed(seen);
    }
  }

 private:
  std::shared_ptr<FakeExec> exec_;
  FakeStdinWriter input_;
  std::pair<StdStream, std::string> current_;
};

class FakeWorkloads : public WorkloadDriver {
 public:
  /// Called for every exec: scripts it, or throws.
  std::function<void(FakeExec&)> on_exec = [](FakeExec&) {};
  std::shared_ptr<FakeExec> last_exec;

  std::shared_ptr<FakeLog> log(const ContainerId& id) {
    return logs_.write([&](auto& all) {
      auto& entry = all[id.str()];
      if (!entry) entry = std::make_shared<FakeLog>();
      return entry;
    });
  }
  std::shared_ptr<FakeInput> input(const ContainerId& id) {
    return inputs_.write([&](auto& all) {
      auto& entry = all[id.str()];
      if (!entry) entry = std::make_shared<FakeInput>();
      return entry;
    });
  }

  Task<std::vector<std::string>> prepare(WorkloadSpec) override { co_return std::vector<std::string>(); }
  Task<WorkloadStarted> start(WorkloadSpec) override { co_return WorkloadStarted{}; }
  Task<WorkloadExit> wait(ContainerId) override { co_return WorkloadExit{}; }
  Task<void> signal(ContainerId, int) override { co_return; }
  Task<void> pause(ContainerId) override { co_return; }
  Task<void> unpause(ContainerId) override { co_return; }
  Task<void> resize(ContainerId, TerminalSize) override { co_return; }
  Task<void> update(WorkloadSpec) override { co_return; }
  Task<void> remove(ContainerId) override { co_return; }
  Task<LogPosition> log_end(ContainerId id) override {
    co_return LogPosition{log(id)->state.read([](const FakeLog::State& state) { return state.records.size(); }), 0};
  }
  /// Test logs hold a line a record.
  Task<LogPosition> log_tail(ContainerId id, std::uint64_t lines, StreamSelection) override {
    const std::uint64_t count = (co_await log_end(id)).offset;
    co_return LogPosition{count > lines + 1 ? count - lines - 1 : 0, count > lines ? std::min<std::uint64_t>(1, count - lines) : 0};
  }
  Task<std::unique_ptr<LogReader>> open_log(ContainerId id, LogPosition from) override {
    co_return std::make_unique<FakeLogReader>(log(id), from.offset);
  }
  Task<std::unique_ptr<StdinWriter>> open_stdin(ContainerId id) override { co_return std::make_unique<FakeStdinWriter>(input(id)); }
  Task<std::unique_ptr<ExecProcess>> exec(WorkloadSpec, ExecSpec spec) override {
    auto exec = std::make_shared<FakeExec>(std::move(spec));
    last_exec = exec;
    on_exec(*exec);
    co_return std::make_unique<FakeExecProcess>(std::move(exec));
  }
  Task<api::ContainerTopResponse> top(ContainerId, std::string) override { co_return api::ContainerTopResponse(); }
  Task<api::ContainerStatsResponse> stats(ContainerId) override { co_return api::ContainerStatsResponse(); }
  Task<std::int64_t> writable_size(ContainerId) override { co_return 0; }
  Task<std::vector<RestoredWorkload>> restore(std::vector<ContainerId>) override { co_return std::vector<RestoredWorkload>(); }
  Task<void> stop() override { co_return; }
  Task<api::SystemInfo> facts() override { co_return api::SystemInfo(); }

 private:
  Guarded<std::map<std::string, std::shared_ptr<FakeLog>>> logs_;
  Guarded<std::map<std::string, std::shared_ptr<FakeInput>>> inputs_;
};

/// An image with one layer that nobody else has.
inline ImageFacts make_image(char digit, std::string parent = {}) {
  ImageFacts facts;
  facts.id = "sha256:" + std::string(64, digit);
  facts.parent = std::move(parent);
  facts.os = "linux";
  facts.architecture = "amd64";
  facts.created = TimePoint(std::chrono::seconds(1000 + digit));
  facts.size = 100;
  facts.layers = {"sha256:layer" + std::string(1, digit)};
  api::ImageHistoryResponseItem item;
  item.id = facts.id;
  item.size = 100;
  facts.history = {item};
  return facts;
}

class FakeImages final : public ImageDriver {
 public:
  std::vector<ImageFacts> stored;     ///< what restore() finds
  std::vector<NamedImage> archive;    ///< what every load gives
  std::vector<std::string> progress;  ///< what a load, import or pull writes
  std::optional<Error> failure;       ///< how it ends
  bool pulls = true;
  std::vector<NamedImage> saved;
  Guarded<std::vector<std::string>> removed;

  Task<std::vector<ImageFacts>> restore() override { co_return stored; }
  Task<std::vector<NamedImage>> load(std::unique_ptr<ByteSource> source, ProgressSink& sink) override {
    while (!(co_await source->next()).empty()) {}
    co_await tell(sink);
    co_return archive;
  }
  Task<ImageFacts> import(ImportSpec, std::unique_ptr<ByteSource>, ProgressSink& sink) override {
    co_await tell(sink);
    co_return archive.front().facts;
  }
  Task<NamedImage> pull(PullSpec, ProgressSink& sink) override {
    co_await tell(sink);
    co_return archive.front();
  }
  bool can_pull() const override { return pulls; }
  Task<std::unique_ptr<ByteSource>> save(std::vector<NamedImage> images) override {
    saved = std::move(images);
    co_return make_text_source("tar");
  }
  Task<std::vector<std::string>> remove(std::string image_id) override {
    removed.write([&](auto& ids) { ids.push_back(image_id); });
    co_return std::vector<std::string>{"sha256:chain-of-" + image_id.substr(7, 1)};
  }

 private:
  Task<void> tell(ProgressSink& sink) {
    for (const auto& line : progress) co_await sink.write(line);
    if (failure) throw Error(*failure);
  }
};

class FakeNetworks final : public NetworkDriver {
 public:
  bool user_networks = true;
  std::optional<Error> connect_failure;
  std::set<std::string> foreign_subnets;       ///< of other programs: seen by taken_subnets() once create() has met them
  Guarded<std::multiset<std::string>> joined;  ///< network names

  bool has_user_networks() const override { return user_networks; }
  Task<void> create(NetworkSpec network) override {
    for (const auto& config : network.request.ipam->config.value_or(std::vector<api::IPAMConfig>())) {
      if (!foreign_subnets.contains(*config.subnet)) continue;
      seen_subnets_.push_back(*config.subnet);
      throw Error::forbidden("Pool overlaps with other one on this address space");
    }
    co_return;
  }
  Task<std::vector<std::string>> taken_subnets() override { co_return seen_subnets_; }
  Task<void> remove(NetworkSpec) override { co_return; }
  Task<void> connect(NetworkSpec network, WorkloadSpec, api::EndpointSettings) override {
    if (connect_failure) throw Error(*connect_failure);
    joined.write([&](auto& names) { names.insert(network.name); });
    co_return;
  }
  Task<void> disconnect(NetworkSpec network, WorkloadSpec) override {
    joined.write([&](auto& names) {
      if (const auto it = names.find(network.name); it != names.end()) names.erase(it);
    });
    co_return;
  }

 private:
  std::vector<std::string> seen_subnets_;
};

class FakeVolumes final : public VolumeDriver {
 public:
  Guarded<std::set<std::string>> existing;
  Task<std::string> create(std::string name, std::map<std::string, std::string>) override {
    existing.write([&](auto& names) { names.insert(name); });
    co_return "/volumes/" + name;
  }
  Task<void> remove(std::string name) override {
    existing.write([&](auto& names) { names.erase(name); });
    co_return;
  }
  Task<std::int64_t> size(std::string) override { co_return 10; }
};

/// A container in the table, created and not started.
inline ContainerPtr add_container(ContainerTable& table, WorkloadSpec spec) {
  const ContainerId id = spec.id;
  auto definition = std::make_shared<ContainerDefinition>(id);
  definition->spec = std::move(spec);
  definition->image_name = "busybox";
  auto record = std::make_shared<ContainerRecord>(id, definition, ContainerState());
  table.insert(record, table.reserve_name(definition->spec.name, id));
  return record;
}

inline WorkloadSpec make_spec(char digit, std::string name) {
  return WorkloadSpec{.id = ContainerId::parse(std::string(64, digit)),
                      .name = std::move(name),
                      .image_id = "",
                      .arguments = {"sh"},
                      .config = {},
                      .host_config = {},
                      .mounts = {},
                      .network_mode = "bridge"};
}

inline void start(const ContainerPtr& container, TimePoint at = {}) {
  container->change_state([&](ContainerState& state) { state.started(42, at); });
}
inline void end(const ContainerPtr& container, int exit_code = 0) {
  container->change_state([&](ContainerState& state) { state.ended(exit_code, false, "", {}, false); });
}

/// Everything a source gives.
inline Task<std::string> drain(ByteSource& source) { return read_all(source, 64UL * 1024 * 1024); }

/// A frame as it goes over the wire.
inline std::string frame(int stream, std::string_view payload) {
  std::string text(8, '\0');
  text[0] = static_cast<char>(stream);
  for (int i = 0; i < 4; ++i) text[4 + static_cast<std::size_t>(i)] = static_cast<char>(payload.size() >> (24 - 8 * i));
  return text + std::string(payload);
}

/// "type action actor" of every event since the beginning.
inline Task<std::vector<std::string>> past_events(EventBus& bus) {
  EventOptions options;
  options.since = TimePoint(std::chrono::seconds(1));
  options.until = system_clock().now();
  const auto stream = bus.subscribe(std::move(options));
  std::vector<std::string> seen;
  while (const auto event = co_await stream->next()) {
    seen.push_back(fmt::format("{} {}", event->type->str(), *event->action));
  }
  co_return seen;
}

}  // namespace sockerless::fakes
