#include "tests/clients/docker.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::clients {

namespace fs = std::filesystem;

namespace {

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw Error::internal("cannot write {}", path.string());
}

std::string checked(const std::vector<std::string>& argv, std::string_view input = {}) {
  Output output = run_command(argv, input);
  if (output.exit_code != 0) throw Error::internal("{} failed with {}: {}", argv.front(), output.exit_code, output.err);
  return std::move(output.out);
}

std::string tar_of(const fs::path& folder) {
  return checked({"tar", "--create", "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "-C", folder.string(), "."});
}

std::string sha256_of(std::string_view bytes) { return checked({"sha256sum"}, bytes).substr(0, 64); }

}  // namespace

std::vector<std::string> docker_binaries() {
  // Debian's is not looked for: where it is missing, its tests fail.
  std::vector<std::string> all{std::string(kDebianDocker)};
  if (::access(kNewerDocker.data(), X_OK) == 0) all.emplace_back(kNewerDocker);
  return all;
}

Docker::Docker(std::string binary, const support::Daemon& daemon, std::vector<std::string> more_environment)
    : binary_(std::move(binary)), host_(daemon.host()) {
  std::signal(SIGPIPE, SIG_IGN);
  const fs::path config = daemon.directory() / "docker-config";
  fs::create_directories(config);
  environment_ = {"DOCKER_CONFIG=" + config.string(), "DOCKER_HOST=", "DOCKER_CONTEXT=", "DOCKER_API_VERSION=", "DOCKER_CLI_HINTS=false"};
  environment_.insert(environment_.end(), more_environment.begin(), more_environment.end());
}

std::vector<std::string> Docker::argv(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all{binary_, "--host", host_};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

Output Docker::run(const std::vector<std::string>& arguments, std::string_view input) const {
  return run_command(argv(arguments), input, environment_);
}

std::string Docker::get(const std::vector<std::string>& arguments, std::string_view input) const {
  Output output = run(arguments, input);
  if (output.exit_code != 0)
    throw Error::internal("docker {} failed with {}: {}{}", arguments.front(), output.exit_code, output.out, output.err);
  while (output.out.ends_with('\n')) output.out.pop_back();
  return std::move(output.out);
}

std::unique_ptr<ChildProcess> Docker::start(const std::vector<std::string>& arguments, Stdio stdio) const {
  return std::make_unique<ChildProcess>(argv(arguments), stdio, environment_);
}

std::string busybox_docker_archive(std::string_view tag) {
  const support::TempDir folder;
  const std::string& layer = support::busybox_rootfs();
  const std::string config = fmt::format(
      R"({{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":{{"Env":["PATH=/bin","GREETING=hello"],"Cmd":["sh","-c","echo $GREETING"]}},)"
      R"("rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}},"history":[{{"created":"2024-01-02T03:04:05Z","created_by":"test"}}]}})",
      sha256_of(layer));
  const std::string config_name = sha256_of(config) + ".json";
  fs::create_directory(folder.path() / "layer");
  write_file(folder.path() / "layer/layer.tar", layer);
  write_file(folder.path() / config_name, config);
  write_file(folder.path() / "manifest.json",
             fmt::format(R"([{{"Config":"{}","RepoTags":["{}"],"Layers":["layer/layer.tar"]}}])", config_name, tag));
  return tar_of(folder.path());
}

}  // namespace sockerless::clients
