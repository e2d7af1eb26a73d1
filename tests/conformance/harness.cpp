#include "tests/conformance/harness.hpp"

#include "api/types_json.hpp"
#include "backend/internal_server.hpp"
#include "backend/remote.hpp"
#include "base/byte_stream.hpp"
#include "oci/tar.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::conformance {

namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kLimit = 64UL * 1024 * 1024;

class Pieces final : public ByteSource {
 public:
  Pieces(std::vector<std::string> pieces, Ending ending) : pieces_(std::move(pieces)), ending_(ending) {}
  Task<std::span<const std::byte>> next() override {
    if (next_ < pieces_.size()) co_return as_bytes(pieces_[next_++]);
    if (ending_ == Ending::gone) throw Error::unavailable("the client is gone");
    co_return std::span<const std::byte>{};
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
  const Ending ending_;
};

Task<void> write_all(AttachSession& session, std::string input) {
  if (!input.empty()) co_await session.write_stdin(as_bytes(input));
  co_await session.close_stdin();
}

Task<void> read_into(ByteSource& source, std::string* text) { *text = co_await read_all(source, kLimit); }

Task<Outcome> talk(AttachSession& session, std::string input, bool with_stdin) {
  std::string bytes;
  if (with_stdin) {
    co_await both(write_all(session, std::move(input)), read_into(session.output(), &bytes));
  } else {
    bytes = co_await read_all(session.output(), kLimit);
  }
  if (session.framing() == Framing::raw) co_return Outcome{.out = bytes, .err = {}, .exit_code = -1};
  co_return split_frames(bytes);
}

Task<Outcome> run_container(ContainerRole& containers, std::string id, std::string input, bool with_stdin) {
  const auto session = co_await containers.attach(
      {id}, {.logs = false, .stream = true, .use_stdin = with_stdin, .use_stdout = true, .use_stderr = true, .detach_keys = {}});
  const auto wait = co_await containers.wait({id}, WaitCondition::next_exit);
  co_await containers.start({id});
  Outcome outcome = co_await talk(*session, std::move(input), with_stdin);
  outcome.exit_code = (co_await wait->result()).status_code;
  co_return outcome;
}

Task<Outcome> run_one_exec(ExecRole& execs, std::string id, std::string input) {
  const auto session = co_await execs.start({id}, {});
  const bool with_stdin = (co_await execs.inspect({id})).open_stdin.value_or(false);
  Outcome outcome = co_await talk(*session, std::move(input), with_stdin);
  const api::ExecInspectResponse state = co_await execs.inspect({id});
  EXPECT_EQ(state.running, false) << "its output has ended";
  outcome.exit_code = state.exit_code.value_or(-1);
  co_return outcome;
}

Task<std::string> read_stream(Task<ProgressStream> opening) {
  const ProgressStream progress = co_await std::move(opening);
  co_return co_await read_all(*progress, kLimit);
}

Task<std::vector<std::string>> collect_actions(EventStream& stream, std::string last) {
  std::vector<std::string> actions;
  while (auto event = co_await stream.next()) {
    actions.push_back(event->action.value_or(""));
    if (actions.back() == last) break;
  }
  co_return actions;
}

Task<api::EventMessage> find_event(EventStream& stream, std::string action) {
  while (auto event = co_await stream.next()) {
    if (event->action == action) co_return *event;
  }
  throw Error::not_found("the events ended without {}", action);
}

Task<std::int64_t> wait_for(ContainerRole& containers, std::string ref, WaitCondition condition) {
  const auto registered = co_await containers.wait({ref}, condition);
  co_return (co_await registered->result()).status_code;
}

Task<void> follow_until_ready(ContainerRole& containers, std::string id, int times) {
  const OutputStream output = co_await containers.logs({id}, {.follow = true, .show_stdout = true});
  std::string seen;
  for (std::size_t from = 0; times > 0;) {
    const std::size_t at = seen.find("ready\n", from);
    if (at != std::string::npos) {
      from = at + 1;
      --times;
      continue;
    }
    const auto bytes = co_await output.bytes->next();
    if (bytes.empty()) throw Error::internal("the container ended before it was ready");
    seen += as_text(bytes);
  }
}

Task<Outcome> read_logs(ContainerRole& containers, std::string ref, LogOptions options) {
  const OutputStream output = co_await containers.logs({ref}, options);
  const std::string bytes = co_await read_all(*output.bytes, kLimit);
  if (output.framing == Framing::raw) co_return Outcome{.out = bytes, .err = {}, .exit_code = -1};
  co_return split_frames(bytes);
}

}  // namespace

Host::Host() : work_(asio::make_work_guard(context_)), strand_(asio::make_strand(context_)), pool_(kThreads) {
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { context_.run(); });
}

Host::~Host() {
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
}

std::string name_of(const testing::TestParamInfo<Implementation>& info) {
  return info.param.profile->name() + (info.param.path == Path::remote ? "Remote" : "");
}

void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.profile->name(); }

std::unique_ptr<ByteSource> make_pieces(std::vector<std::string> pieces, Ending ending) {
  return std::make_unique<Pieces>(std::move(pieces), ending);
}

Outcome split_frames(std::string_view frames) {
  Outcome outcome;
  while (!frames.empty()) {
    if (frames.size() < 8) throw Error::internal("a frame's header is cut short");
    std::size_t size = 0;
    for (std::size_t i = 4; i < 8; ++i) size = size << 8U | static_cast<unsigned char>(frames[i]);
    if (frames.size() < 8 + size || (frames[0] != 1 && frames[0] != 2)) throw Error::internal("a frame is damaged");
    (frames[0] == 1 ? outcome.out : outcome.err) += frames.substr(8, size);
    frames.remove_prefix(8 + size);
  }
  return outcome;
}

void BackendConformance::SetUp() {
  backend_ = profile().make_backend(host_, directory_.path() / "state");
  run(backend_->start());
  if (GetParam().path == Path::remote) {
    server_ = std::make_unique<net::HttpServer>(strands_of(host_.executor()), make_internal_server(*backend_));
    const auto address = server_->listen(net::Address::unix_socket((directory_.path() / "backend.sock").string()));
    remote_ = make_remote_backend({.address = address});
    run(remote_->start());
  }
  import_image("busybox", "latest");
}

void BackendConformance::TearDown() {
  if (!backend_) return;
  for (const auto& container : list()) force_remove(*container.id);
  if (remote_) run(remote_->stop());
  if (server_) run(server_->stop(std::chrono::seconds(5)));
  run(backend_->stop());
  remote_.reset();
  server_.reset();
  backend_.reset();
}

// ---- containers

std::string BackendConformance::create(api::ContainerCreateRequest request, std::string name) {
  if (!request.image) request.image = kImage;
  return run(containers().create({.name = std::move(name), .platform = {}, .request = std::move(request)})).id;
}

std::string BackendConformance::start(api::ContainerCreateRequest request, std::string name) {
  std::string id = create(std::move(request), std::move(name));
  start_again(id);
  return id;
}

std::string BackendConformance::start_ready(api::ContainerCreateRequest request, std::string name) {
  std::string id = start(std::move(request), std::move(name));
  wait_until_ready(id);
  return id;
}

void BackendConformance::wait_until_ready(const std::string& id, int times) { run(follow_until_ready(containers(), id, times)); }

api::ContainerInspectResponse BackendConformance::inspect(const std::string& ref) { return run(containers().inspect({ref}, WithSize::no)); }

std::string BackendConformance::status(const std::string& ref) { return std::string(inspect(ref).state->status->str()); }

std::int64_t BackendConformance::wait(const std::string& ref, WaitCondition condition) {
  return run(wait_for(containers(), ref, condition));
}

Outcome BackendConformance::run_to_end(const std::string& id, std::string input) {
  return run(run_container(containers(), id, std::move(input), inspect(id).config->open_stdin.value_or(false)));
}

std::vector<api::ContainerSummary> BackendConformance::list(api::Filters filters, bool all) {
  return run(containers().list({.all = all, .limit = {}, .size = WithSize::no, .filters = std::move(filters)}));
}

std::vector<std::string> BackendConformance::names(api::Filters filters, bool all) {
  std::vector<std::string> names;
  for (const auto& container : list(std::move(filters), all)) names.push_back(container.names->front().substr(1));
  return names;
}

Outcome BackendConformance::logs(const std::string& ref, LogOptions options) { return run(read_logs(containers(), ref, options)); }

// ---- execs

std::string BackendConformance::create_exec(const std::string& container, std::vector<std::string> command, bool with_stdin) {
  api::ContainerExecRequest request;
  request.cmd = std::move(command);
  request.attach_stdin = with_stdin;
  request.attach_stdout = true;
  request.attach_stderr = true;
  return run(execs().create({container}, std::move(request))).id;
}

Outcome BackendConformance::run_exec(const std::string& exec, std::string input) {
  return run(run_one_exec(execs(), exec, std::move(input)));
}

// ---- images

std::string BackendConformance::import_image(std::string repo, std::string tag, std::vector<std::string> changes) {
  ImportImageOptions options;
  options.repo = std::move(repo);
  options.tag = std::move(tag);
  options.source = "-";
  options.changes = std::move(changes);
  return read_progress(images().import(std::move(options), make_pieces({support::busybox_rootfs()})));
}

std::string BackendConformance::read_progress(Task<ProgressStream> progress) { return run(read_stream(std::move(progress))); }

// ---- events

std::unique_ptr<EventStream> BackendConformance::events(api::Filters filters) {
  return run(backend().system().events({.since = {}, .until = {}, .filters = std::move(filters)}));
}

std::vector<std::string> BackendConformance::actions_until(EventStream& stream, std::string last) {
  return run(collect_actions(stream, std::move(last)));
}

api::EventMessage BackendConformance::next_event(EventStream& stream, std::string action) {
  return run(find_event(stream, std::move(action)));
}

std::map<std::string, std::string> members_of(std::string tar) {
  std::map<std::string, std::string> members;
  oci::MemorySource source(std::move(tar));
  oci::TarReader reader(source);
  while (const auto entry = reader.blocking_next()) {
    std::string content(entry->stored_size, '\0');
    for (std::size_t at = 0; at < content.size();) at += reader.blocking_read(std::as_writable_bytes(std::span(content)).subspan(at));
    members[entry->name] = entry->link.empty() ? content : "-> " + entry->link;
  }
  return members;
}

void BackendConformance::put_files(const std::string& id, const std::string& path, std::string tar, bool keep_kinds) {
  run(files().put_archive({id}, {.path = path, .no_overwrite_dir_non_dir = keep_kinds}, make_pieces({std::move(tar)})));
}

std::map<std::string, std::string> BackendConformance::get_files(const std::string& id, const std::string& path) {
  const auto read = [](std::unique_ptr<ByteSource> tar) -> Task<std::string> { co_return co_await read_all(*tar, kLimit); };
  return members_of(run(read(run(files().get_archive({id}, path)).tar)));
}

bool BackendConformance::has_no_files() {
  if (profile().has_files()) return false;
  EXPECT_EQ(backend().files(), nullptr);
  EXPECT_EQ(backend().committer(), nullptr);
  return true;
}

void BackendConformance::in_each_state(const std::function<void(const std::string&)>& check) {
  if (has_no_files()) return;
  for (const bool running : {false, true}) {
    SCOPED_TRACE(running ? "running" : "created");
    check(running ? start_ready(profile().runs_forever()) : create(profile().runs_forever()));
  }
}

}  // namespace sockerless::conformance
