#include "backends/local/container_store.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include "backends/local/init_layer.hpp"
#include "backends/local/monitor_channel.hpp"
#include "backends/local/mount_sources.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

Logger log("local");

constexpr auto kMonitorEndTimeout = std::chrono::seconds(30);
constexpr std::size_t kIdDigits = 64;

}  // namespace

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  if (!file.flush()) throw Error::unavailable("cannot write {}: is the disk full?", path);
}

WorkloadPaths blocking_find_paths(const std::string& image_id, const std::string& directory, LayerSource& layers) {
  WorkloadPaths paths{
      .resolv_conf = directory + "/resolv.conf",
      .hostname = directory + "/hostname",
      .hosts = directory + "/hosts",
      .log = directory + "/" + kLogName,
      .layers = {{"MergedDir", directory + "/rootfs"}, {"UpperDir", directory + "/upper"}, {"WorkDir", directory + "/work"}}};
  try {
    paths.layers["LowerDir"] = fmt::format("{}", fmt::join(layers.blocking_layer_folders(image_id), ":"));
  } catch (const Error& error) {
    log.warn("the image of a container is not there image={} error={}", image_id, error.message());
    paths.layers.clear();
  }
  return paths;
}

ContainerStore::ContainerStore(const std::string& state_directory, std::shared_ptr<LayerSource> layers, HostRuntime& runtime)
    : state_directory_(state_directory),
      containers_(state_directory + "/containers"),
      removing_(state_directory + "/removing"),
      layers_(std::move(layers)),
      runtime_(runtime) {
  for (const auto* folder : {&containers_, &removing_}) {
    fs::create_directories(*folder);
    fs::permissions(*folder, fs::perms::owner_all);
  }
  fs::permissions(state_directory_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
}

void ContainerStore::blocking_make(const WorkloadSpec& spec) {
  const std::string directory = directory_of(spec.id);
  try {
    layers_->blocking_hold(spec.id.str(), spec.image_id);
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
      if (spec.mounts[i].kind == MountSpec::Kind::image) layers_->blocking_hold(image_hold_name(spec.id, i), spec.mounts[i].source);
    }
    fs::create_directory(directory);
    fs::permissions(directory, fs::perms::owner_all);
    for (const char* name : {"upper", "work", "rootfs"}) fs::create_directory(directory + "/" + name);
    blocking_make_init_layer(layers_->blocking_layer_folders(spec.image_id), directory + "/" + kInitLayer);
    write_file(directory + "/output.log", "");
    fs::permissions(directory + "/output.log", fs::perms::owner_read | fs::perms::owner_write);
  } catch (...) {
    const Error error = current_error();
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    release_images(spec.id);
    throw Error(error.code(), error.message());
  }
}

void ContainerStore::blocking_clean(const ContainerId& id, const std::string& directory) {
  blocking_clean_run(runtime_.blocking_runtime_of(directory).command, runtime_.blocking_host().cgroups, id, directory);
}

std::string ContainerStore::blocking_set_aside(const ContainerId& id) {
  std::string aside = fmt::format("{}/{}-{}", removing_, id.str(), system_random().hex64().substr(0, 8));
  if (::rename(directory_of(id).c_str(), aside.c_str()) == 0) return aside;
  if (errno == ENOENT) return {};
  throw from_errno(errno, "remove the container's directory");
}

void ContainerStore::blocking_remove_remains(const ContainerId& id, const std::string& remains) {
  if (!remains.empty()) {
    blocking_unmount_all(remains);
    fs::remove_all(remains);
  }
  release_images(id);
}

/// The container's image and those it mounts.
void ContainerStore::release_images(const ContainerId& id) {
  for (const auto& hold : layers_->holds()) {
    if (hold.starts_with(id.str() + ".")) layers_->blocking_release(hold);
  }
  layers_->blocking_release(id.str());
}

/// A removal that a daemon before this one could not finish.
void ContainerStore::blocking_resume_removal(const std::string& remains) {
  const std::string name = fs::path(remains).filename();
  if (name.size() < kIdDigits || !is_hex64(name.substr(0, kIdDigits))) return;
  const auto id = ContainerId::parse(name.substr(0, kIdDigits));
  blocking_wait_unlocked(remains, kMonitorEndTimeout);
  if (fs::exists(remains + "/" + kPidFileName)) blocking_clean(id, remains);
  blocking_remove_remains(id, remains);
}

/// Ends whatever runs in the directory and removes it: nobody knows this container.
void ContainerStore::blocking_remove_stranger(const ContainerId& id) {
  const std::string directory = directory_of(id);
  log.warn("removing a container nobody knows id={}", id.str());
  blocking_command(directory, MessageKind::signal, SIGKILL, 0);
  blocking_wait_unlocked(directory, kMonitorEndTimeout);
  blocking_clean(id, directory);
  blocking_remove_remains(id, directory);
}

std::vector<ContainerStore::Found> ContainerStore::blocking_restore(const std::vector<ContainerId>& known) {
  std::vector<ContainerId> strangers;
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(state_directory_, error)) {  // of a runtime's check that was interrupted
    if (folder.path().filename().string().starts_with("sockerless-check-")) fs::remove_all(folder.path(), error);
  }
  for (const auto& folder : fs::directory_iterator(removing_)) blocking_resume_removal(folder.path());
  for (const auto& folder : fs::directory_iterator(containers_)) {
    const std::string name = folder.path().filename();
    if (!is_hex64(name)) continue;
    const auto id = ContainerId::parse(name);
    if (std::ranges::find(known, id) == known.end()) strangers.push_back(id);
  }
  for (const auto& id : strangers) blocking_remove_stranger(id);
  for (const auto& hold : layers_->holds()) {
    const std::string owner = hold.substr(0, kIdDigits);
    if (is_hex64(owner) && std::ranges::find(known, ContainerId::parse(owner)) == known.end()) layers_->blocking_release(hold);
  }
  std::vector<Found> result;
  for (const auto& id : known) {
    if (fs::is_directory(directory_of(id), error)) result.push_back(blocking_restore_one(id));
  }
  return result;
}

ContainerStore::Found ContainerStore::blocking_restore_one(const ContainerId& id) {
  Found found{{id, {}, {}}, std::make_shared<ContainerEntry>(id, directory_of(id)), {}};
  const std::string& directory = found.entry->directory;
  if (UniqueFd channel = blocking_connect_monitor(directory)) {
    Message request;
    request.kind = MessageKind::watch;
    Message answer;
    const bool answered = ::send(channel.get(), &request, sizeof(request), MSG_NOSIGNAL) == sizeof(request) &&
                          ::recv(channel.get(), &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) &&
                          answer.kind == MessageKind::started;
    if (answered) {
      found.workload.running = WorkloadStarted{answer.a, TimePoint(std::chrono::nanoseconds(answer.time))};
      found.channel = std::move(channel);
      return found;
    }
  }
  if (!blocking_wait_unlocked(directory, kMonitorEndTimeout)) log.error("a container's monitor does not end id={}", id.str());
  found.workload.exit = blocking_read_exit_record(directory);
  const bool ran = fs::exists(directory + "/" + kPidFileName);
  const bool left_over = ran || blocking_is_mount_point(directory + "/rootfs");
  if (!found.workload.exit && ran) {
    found.workload.exit =
        blocking_bury_lost_run(runtime_.blocking_runtime_of(directory).command, runtime_.blocking_host().cgroups, id, directory);
  } else if (left_over) {
    blocking_clean(id, directory);
  }
  return found;
}

}  // namespace sockerless::local
