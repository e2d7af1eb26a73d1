#include "backends/memory/volumes.hpp"

#include <map>
#include <string>

#include "base/guarded.hpp"

namespace sockerless::memory {

namespace {

class MemoryVolumes final : public VolumeDriver {
 public:
  Task<std::string> create(std::string name, std::map<std::string, std::string> options) override {
    std::string mount_point = "/sockerless-memory/volumes/" + name;  // a name in the simulated world, not a directory of this machine
    volumes_.write([&](Volumes& all) { all.insert_or_assign(std::move(name), std::move(options)); });
    co_return mount_point;
  }

  Task<void> remove(std::string name) override {
    volumes_.write([&](Volumes& all) { all.erase(name); });
    co_return;
  }

  Task<std::int64_t> size(std::string name) override {
    const bool known = volumes_.read([&](const Volumes& all) { return all.contains(name); });
    co_return known ? 0 : -1;
  }

 private:
  using Volumes = std::map<std::string, std::map<std::string, std::string>>;
  Guarded<Volumes> volumes_;
};

}  // namespace

std::unique_ptr<VolumeDriver> make_volume_driver() { return std::make_unique<MemoryVolumes>(); }

}  // namespace sockerless::memory
