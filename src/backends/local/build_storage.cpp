#include "backends/local/build_storage.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/base64.hpp"
#include "base/byte_stream.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "oci/rooted_dir.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

// Docker's capabilities for containers; no hooks of the machine.
constexpr std::string_view kContainersConf = R"([containers]
default_capabilities = ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
  "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
[engine]
cgroup_manager = "cgroupfs"
hooks_dir = []
)";
constexpr std::string_view kRegistriesConf = "unqualified-search-registries = []\n";
// A build may be made from nothing but what is in this store, whatever name gets through to buildah, and however: an ONBUILD of a base
// image, say. buildah never asks a policy about its own store. A policy cannot name one archive, so what takes a base over has its own.
constexpr std::string_view kPolicy = R"({"default": [{"type": "reject"}]})";
constexpr std::string_view kPullPolicy =
    R"({"default": [{"type": "reject"}], "transports": {"docker-archive": {"": [{"type": "insecureAcceptAnything"}]}}})";
constexpr std::string_view kStorageConf = "[storage]\ndriver = \"overlay\"\n";

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw from_errno(errno, "make the directory " + path);
}

void write_file(const std::string& path, std::string_view text) {
  const UniqueFd file = blocking_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  oci::blocking_write_all(file.get(), as_bytes(text), "write " + path);
}

std::uint64_t remove_from(const std::string& directory, const std::string& name) {
  return oci::blocking_remove_tree(blocking_open(directory, O_RDONLY | O_DIRECTORY).get(), name);
}

std::string_view hex_of(std::string_view id) { return id.substr(id.find(':') + 1); }

std::string pick_runtime(const std::string& wanted) {
  for (const std::string& name : {wanted, std::string("runc"), std::string("crun")}) {
    if (std::string path = name.empty() ? std::string() : find_program(name); !path.empty()) return path;
  }
  return "runc";
}

}  // namespace

BuildStorage::BuildStorage(std::string directory, std::string runtime) : directory_(std::move(directory)), runtime_(std::move(runtime)) {}

BuildStorage BuildStorage::blocking_open(const std::string& directory, const std::string& runtime) {
  make_directory(directory);
  for (const char* name : {"/storage", "/bases"}) make_directory(directory + name);
  remove_from(directory, "work");
  make_directory(directory + "/work");
  write_file(directory + "/containers.conf", kContainersConf);
  write_file(directory + "/registries.conf", kRegistriesConf);
  write_file(directory + "/storage.conf", kStorageConf);
  write_file(directory + "/policy.json", kPolicy);
  write_file(directory + "/pull-policy.json", kPullPolicy);
  write_file(directory + "/ignore", "");
  return BuildStorage(directory, pick_runtime(runtime));
}

std::string BuildStorage::blocking_make_work() const {
  std::string pattern = directory_ + "/work/XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw from_errno(errno, "make a directory in " + directory_);
  make_directory(pattern + "/context");
  make_directory(pattern + "/tmp");
  return pattern;
}

void BuildStorage::blocking_remove_work(const std::string& work) const {
  remove_from(directory_ + "/work", fs::path(work).filename().string());
}

bool BuildStorage::has_image(std::string_view id) const {
  return fs::exists(fmt::format("{}/storage/overlay-images/{}", directory_, hex_of(id)));
}

void BuildStorage::blocking_remember_base(std::string_view id) const { write_file(fmt::format("{}/bases/{}", directory_, hex_of(id)), ""); }

std::vector<std::string> BuildStorage::blocking_bases() const {
  std::vector<std::string> ids;
  for (const auto& entry : fs::directory_iterator(directory_ + "/bases")) ids.push_back("sha256:" + entry.path().filename().string());
  return ids;
}

oci::ImageDocument BuildStorage::blocking_document(std::string_view id) const {
  // The store keeps a configuration in a file that is named by its digest, in Base64.
  const std::string path = fmt::format("{}/storage/overlay-images/{}/={}", directory_, hex_of(id), encode_base64(id));
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Error::internal("the builder's image {} cannot be read", id);
  oci::ImageDocument document = oci::ImageDocument::parse(std::move(text));
  if (document.id().str() != id) throw Error::internal("the builder's image {} is damaged", id);
  return document;
}

std::uint64_t BuildStorage::blocking_clear() const {
  std::uint64_t freed = 0;
  for (const char* name : {"storage", "bases"}) {
    freed += remove_from(directory_, name);
    make_directory(directory_ + "/" + name);
  }
  return freed;
}

ConfinedCommand BuildStorage::command(const std::string& work, const std::string& name, std::vector<std::string> arguments) const {
  const std::string buildah = find_program("buildah");
  if (buildah.empty()) throw Error::not_implemented("building images needs the program buildah, which is not installed on this machine");
  ConfinedCommand command;
  command.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "HOME=" + work + "/tmp",
                         "TMPDIR=" + work + "/tmp",
                         "CONTAINERS_CONF=" + directory_ + "/containers.conf",
                         "CONTAINERS_REGISTRIES_CONF=" + directory_ + "/registries.conf",
                         "CONTAINERS_STORAGE_CONF=" + directory_ + "/storage.conf"};
  command.arguments = {buildah, "--root", directory_ + "/storage", "--runroot", work + "/run", "--storage-driver", "overlay", name};
  const char* policy = name == "pull" ? "/pull-policy.json" : "/policy.json";
  if (name != "rm") command.arguments.insert(command.arguments.end(), {"--signature-policy", directory_ + policy});
  command.arguments.insert(command.arguments.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  return command;
}

std::vector<std::string> BuildStorage::isolation() const { return {"--isolation", "oci", "--runtime", runtime_}; }

}  // namespace sockerless::local
