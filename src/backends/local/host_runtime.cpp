#include "backends/local/host_runtime.hpp"

#include <chrono>
#include <fstream>
#include <utility>

#include "base/child_process.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace {

constexpr auto kCallTimeout = std::chrono::seconds(20);

}  // namespace

HostRuntime::HostRuntime(std::string wanted, std::string monitor, std::string state)
    : wanted_(std::move(wanted)), monitor_(std::move(monitor)), state_(std::move(state)) {}

const OciHost& HostRuntime::blocking_host() {
  std::call_once(host_once_, [this] { host_ = OciHost::blocking_detect(); });
  return host_;
}

const OciRuntime& HostRuntime::blocking_runtime() {
  const std::scoped_lock lock(mutex_);
  if (!runtime_) runtime_ = blocking_select_runtime(wanted_, monitor_, state_);
  return *runtime_;
}

OciRuntime HostRuntime::blocking_runtime_of(const std::string& directory) {
  std::ifstream file(directory + "/" + kRuntimeFileName);
  std::string path;
  return std::getline(file, path) && !path.empty() ? make_oci_runtime(path, state_) : blocking_runtime();
}

std::string HostRuntime::chosen_name() const {
  const std::scoped_lock lock(mutex_);
  return runtime_ ? runtime_->name : "runtime";
}

void HostRuntime::blocking_call(const std::string& directory, const std::vector<std::string>& arguments, std::string_view doing) {
  const OciRuntime runtime = blocking_runtime_of(directory);
  auto command = runtime.command;
  command.insert(command.end(), arguments.begin(), arguments.end());
  const ProgramResult result = blocking_run_program(command, kCallTimeout);
  if (result.timed_out) throw Error::deadline_exceeded("cannot {} the container: {} hung", doing, runtime.name);
  if (result.exit_code != 0) throw Error::internal("cannot {} the container: {}", doing, plain_words(result.error));
}

}  // namespace sockerless::local
