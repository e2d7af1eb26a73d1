// What only a real daemon can do of Backend's roles, beside the suite: files, terminals, statistics, commit, build, save.

#include "backends/docker/docker_backend.hpp"
#include "base/byte_stream.hpp"
#include "tests/conformance/shell_profile.hpp"
#include "tests/support/dockerd.hpp"

namespace sockerless::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kLimit = 64UL * 1024 * 1024;

Task<std::string> read_source(std::unique_ptr<ByteSource> source) { co_return co_await read_all(*source, kLimit); }
Task<std::string> read_opened(Task<std::unique_ptr<ByteSource>> opening) {
  const auto source = co_await std::move(opening);
  co_return co_await read_all(*source, kLimit);
}

class DockerRoles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dockerd() = std::make_unique<support::Dockerd>();
    dockerd()->import_busybox();
  }
  static void TearDownTestSuite() { dockerd().reset(); }
  static std::unique_ptr<support::Dockerd>& dockerd() {
    static std::unique_ptr<support::Dockerd> one;
    return one;
  }

  std::string create(std::vector<std::string> command, bool tty = false) {
    api::ContainerCreateRequest request;
    request.image = "busybox:latest";
    request.cmd = std::move(command);
    request.tty = tty;
    request.host_config.emplace().network_mode = "none";
    return host_.run(backend_->containers().create({.name = {}, .platform = {}, .request = std::move(request)})).id;
  }
  std::string start(std::vector<std::string> command, bool tty = false) {
    std::string id = create(std::move(command), tty);
    host_.run(backend_->containers().start({id}));
    return id;
  }
  std::int64_t wait(const std::string& id) {
    const auto registered = host_.run(backend_->containers().wait({id}, WaitCondition::not_running));
    return host_.run(registered->result()).status_code;
  }

  Host host_;
  std::unique_ptr<Backend> backend_ = make_docker_backend({.daemon = docker_config_of(dockerd()->socket())});
};

TEST_F(DockerRoles, FilesGoOutAndIn) {
  FilesRole& files = *backend_->files();
  const std::string from = create({"true"});
  const std::string to = create({"true"});
  EXPECT_EQ(host_.run(files.stat_path({from}, "/etc/passwd")).name, "passwd");
  ArchiveStream archive = host_.run(files.get_archive({from}, "/etc/passwd"));
  EXPECT_EQ(archive.stat.name, "passwd");
  EXPECT_GT(archive.stat.size, 0);
  EXPECT_GT(archive.stat.mtime, TimePoint{});
  const std::string tar = host_.run(read_source(std::move(archive.tar)));
  EXPECT_THAT(tar, testing::StartsWith("passwd"));
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < tar.size(); at += 1000) pieces.push_back(tar.substr(at, 1000));
  host_.run(files.put_archive({to}, {.path = "/tmp", .no_overwrite_dir_non_dir = false, .copy_uid_gid = false}, make_pieces(pieces)));
  EXPECT_EQ(host_.run(files.stat_path({to}, "/tmp/passwd")).size, archive.stat.size);
  const auto changes = host_.run(files.changes({to}));
  EXPECT_TRUE(std::ranges::any_of(changes, [](const auto& change) { return change.path == "/tmp/passwd"; }));
  EXPECT_THAT(host_.run(read_opened(files.export_files({to}))), HasSubstr("tmp/passwd"));

  const auto into = [&](const std::string& path) {
    return error_from([&] { host_.run(files.put_archive({to}, {.path = path}, make_pieces({tar}))); });
  };
  EXPECT_EQ(into("/no/such/place").code(), ErrorCode::not_found);
  EXPECT_EQ(error_from([&] { host_.run(files.stat_path({to}, "/nothing")); }).code(), ErrorCode::not_found);
  EXPECT_EQ(
      error_from([&] { host_.run(files.put_archive({to}, {.path = "/tmp"}, make_pieces({tar.substr(0, 100)}, Ending::gone))); }).code(),
      ErrorCode::unavailable);
}

TEST_F(DockerRoles, ATerminalsOutputIsRaw) {
  const std::string id = start({"sh", "-c", "echo hello"}, true);
  EXPECT_EQ(wait(id), 0);
  OutputStream logs = host_.run(backend_->containers().logs({id}, {.show_stdout = true}));
  EXPECT_EQ(logs.framing, Framing::raw);
  EXPECT_EQ(host_.run(read_source(std::move(logs.bytes))), "hello\r\n");
}

TEST_F(DockerRoles, ATerminalIsResized) {
  const std::string id = start({"sleep", "1000"}, true);
  host_.run(backend_->containers().resize({id}, {.height = 33, .width = 99}));
  api::ContainerExecRequest request;
  request.cmd = std::vector<std::string>{"sh", "-c", "stty size < /proc/1/fd/0"};
  request.attach_stdout = true;
  const std::string exec = host_.run(backend_->exec()->create({id}, request)).id;
  const auto session = host_.run(backend_->exec()->start({exec}, {}));
  const auto read = [](AttachSession& attached) -> Task<std::string> { co_return co_await read_all(attached.output(), kLimit); };
  EXPECT_EQ(split_frames(host_.run(read(*session))).out, "33 99\n");
}

TEST_F(DockerRoles, StatisticsComeOnceOrOnAndOn) {
  const std::string id = start({"sleep", "1000"});
  const auto once = host_.run(backend_->stats()->stats({id}, {.stream = false, .one_shot = true}));
  const auto sample = host_.run(once->next());
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->id, id);
  EXPECT_FALSE(host_.run(once->next()));
  const auto stream = host_.run(backend_->stats()->stats({id}, {}));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(host_.run(stream->next()));
}

TEST_F(DockerRoles, AnImageIsCommittedSavedAndLoadedAgain) {
  const std::string id = start({"sh", "-c", "echo made > /made"});
  EXPECT_EQ(wait(id), 0);
  api::ImageCommitParams params;
  params.container = id;
  params.repo = "committed";
  params.tag = "v1";
  const std::string image = host_.run(backend_->committer()->commit(params, {})).id;
  const std::string archive = host_.run(read_opened(backend_->images()->save({{"committed:v1"}})));
  host_.run(backend_->images()->remove({"committed:v1"}, {}));
  const auto load = [](ImageRole& images, std::string bytes) -> Task<std::string> {
    const ProgressStream progress = co_await images.load(make_pieces({std::move(bytes)}), false);
    co_return co_await read_all(*progress, kLimit);
  };
  EXPECT_THAT(host_.run(load(*backend_->images(), archive)), HasSubstr("Loaded image: committed:v1"));
  EXPECT_EQ(host_.run(backend_->images()->inspect({"committed:v1"})).id, image);
}

TEST_F(DockerRoles, AnImageIsBuiltAndAFailureKeepsItsText) {
  const auto build = [&](const std::string& dockerfile) {
    std::string header = "Dockerfile" + std::string(90, '\0') +
                         std::string(
                             "0000644\0"
                             "0000000\0"
                             "0000000\0",
                             24) +
                         fmt::format("{:011o}", dockerfile.size()) + '\0' + "00000000000" + '\0' + "        " + "0";
    header.resize(512);
    unsigned sum = 0;
    for (const unsigned char c : header) sum += c;
    header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    std::string tar = header + dockerfile;
    tar.resize((tar.size() + 511) / 512 * 512 + 1024);
    api::ImageBuildParams params;
    params.t = {"built:v1"};
    const auto read = [](BuildRole& builder, api::ImageBuildParams what, std::string context) -> Task<std::string> {
      const ProgressStream progress = co_await builder.build(std::move(what), make_pieces({std::move(context)}));
      co_return co_await read_all(*progress, kLimit);
    };
    return host_.run(read(*backend_->builder(), params, tar));
  };
  EXPECT_THAT(build("FROM busybox:latest\nENV A=b\nLABEL made=here\n"), HasSubstr("Successfully tagged built:v1"));
  EXPECT_EQ(host_.run(backend_->images()->inspect({"built:v1"})).config->labels->at("made"), "here");
  EXPECT_THAT(error_from([&] { build("FROM busybox:latest\nNONSENSE\n"); }).message(), HasSubstr("NONSENSE"));
}

TEST_F(DockerRoles, TheRegistrysPartFailsInTheDaemonsWords) {
  RegistryRole& registry = *backend_->registry();
  EXPECT_THAT(error_from([&] { host_.run(registry.inspect_distribution("127.0.0.1:1/x", {})); }).message(),
              HasSubstr("connection refused"));
  api::AuthConfig who;
  who.username = "me";
  who.password = "secret";
  who.serveraddress = "127.0.0.1:1";
  const Error refused = error_from([&] { host_.run(registry.auth(who)); });
  EXPECT_THAT(refused.message(), HasSubstr("connection refused"));
  EXPECT_THAT(refused.message(), testing::Not(HasSubstr("secret")));
  EXPECT_EQ(host_.run(backend_->builder()->prune_cache({})).space_reclaimed.value_or(0), 0);
}

}  // namespace
}  // namespace sockerless::conformance
