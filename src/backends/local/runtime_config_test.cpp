#include "backends/local/runtime_config.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/capabilities.hpp"
#include "backends/local/device_list.hpp"
#include "backends/local/runtime_mounts.hpp"
#include "backends/local/seccomp_profile.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

class RuntimeConfig : public testing::Test {
 protected:
  RuntimeConfig() {
    std::string pattern = fs::temp_directory_path() / "sockerless-config-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    fs::create_directories(root_ + "/etc");
    write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv/web:/bin/sh\n");
    write("/etc/group", "root:x:0:\nweb:x:44:\naudio:x:29:web,other\n");
    settings_.id = std::string(64, 'a');
    settings_.root = root_;
    settings_.directory = "/state";
    settings_.arguments = {"/bin/true"};
    settings_.hostname = "box";
    host_.machine = "x86_64";
    host_.capabilities = container_capabilities({"ALL"}, {}, false);
    host_.capabilities.insert("CAP_SYS_ADMIN");
    host_.init_path = "/usr/bin/tini";
  }
  ~RuntimeConfig() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) { std::ofstream(root_ + path) << text; }
  json::object make() { return blocking_make_config(settings_, host_).document; }
  static std::vector<std::string> strings(const json::value& value) {
    std::vector<std::string> result;
    for (const auto& item : value.as_array()) result.emplace_back(item.as_string());
    return result;
  }
  static std::vector<std::string> namespaces(const json::object& document) {
    std::vector<std::string> result;
    for (const auto& item : document.at("linux").at("namespaces").as_array()) result.emplace_back(item.at("type").as_string());
    return result;
  }
  json::object mount_at(const json::object& document, std::string_view destination) {
    for (const auto& item : document.at("mounts").as_array()) {
      if (std::string_view(item.at("destination").as_string()) == destination) return item.as_object();
    }
    ADD_FAILURE() << "no mount at " << destination;
    return {};
  }
  std::string failure() {
    try {
      make();
    } catch (const Error& error) {
      return error.message();
    }
    return "no failure";
  }

  std::string root_;
  OciSettings settings_;
  OciHost host_;
};

TEST_F(RuntimeConfig, AnOrdinaryContainerIsConfinedAsDockerConfinesIt) {
  const auto document = make();
  EXPECT_THAT(namespaces(document), testing::UnorderedElementsAre("mount", "network", "uts", "pid", "ipc"));
  EXPECT_EQ(document.at("hostname"), "box");
  EXPECT_EQ(document.at("linux").at("cgroupsPath"), json::value("/sockerless/" + settings_.id));
  EXPECT_THAT(strings(document.at("linux").at("maskedPaths")), Contains("/proc/kcore"));
  EXPECT_THAT(strings(document.at("linux").at("readonlyPaths")), Contains("/proc/sys"));
  EXPECT_THAT(strings(mount_at(document, "/sys").at("options")), Contains("ro"));
  EXPECT_THAT(strings(mount_at(document, "/dev/shm").at("options")), Contains("size=67108864"));
  EXPECT_EQ(document.at("linux").at("seccomp").at("defaultAction"), "SCMP_ACT_ERRNO");
  EXPECT_EQ(strings(document.at("process").at("capabilities").at("bounding")).size(), 14U);
  EXPECT_EQ(document.at("process").at("capabilities").as_object().count("ambient"), 0U);
  EXPECT_EQ(document.at("linux").at("resources").at("devices").at(0).at("allow"), false);
}

TEST_F(RuntimeConfig, APrivilegedContainerHasNoneOfThat) {
  settings_.privileged = true;
  const auto document = make();
  const auto& section = document.at("linux").as_object();
  EXPECT_FALSE(section.contains("seccomp"));
  EXPECT_FALSE(section.contains("maskedPaths"));
  EXPECT_FALSE(section.contains("readonlyPaths"));
  EXPECT_THAT(strings(mount_at(document, "/sys").at("options")), Contains("rw"));
  EXPECT_EQ(section.at("resources").at("devices").at(0).at("allow"), true);
  EXPECT_GT(strings(document.at("process").at("capabilities").at("bounding")).size(), 14U);
}

TEST_F(RuntimeConfig, EnvironmentHasPathHomeHostnameAndTerm) {
  settings_.tty = true;
  settings_.environment = {"A=1", "DROPPED"};
  EXPECT_THAT(strings(make().at("process").at("env")), ElementsAre("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                                                   "HOSTNAME=box", "TERM=xterm", "A=1", "HOME=/root"));
}

TEST_F(RuntimeConfig, UsersAndGroupsComeFromTheContainersOwnFiles) {
  const auto web = blocking_find_user(root_, "web", {});
  EXPECT_EQ(web.uid, 33U);
  EXPECT_EQ(web.gid, 44U);
  EXPECT_THAT(web.groups, ElementsAre(29U));
  EXPECT_EQ(web.home, "/srv/web");
  EXPECT_EQ(blocking_find_user(root_, "33", {}).gid, 44U);
  EXPECT_EQ(blocking_find_user(root_, "web:audio", {}).gid, 29U);
  EXPECT_EQ(blocking_find_user(root_, "1234", {}).uid, 1234U);
  EXPECT_EQ(blocking_find_user(root_, "1234:77", {}).gid, 77U);
  EXPECT_THAT(blocking_find_user(root_, "", {"audio", "99"}).groups, ElementsAre(29U, 99U));
}

TEST_F(RuntimeConfig, AnUnknownUserOrGroupIsNamedInDockersWords) {
  settings_.user = "nobody";
  EXPECT_EQ(failure(), "unable to find user nobody: no matching entries in passwd file");
  settings_.user = "web:wheel";
  EXPECT_EQ(failure(), "unable to find group wheel: no matching entries in group file");
}

TEST_F(RuntimeConfig, AUserDatabaseThatIsALinkStaysInsideTheRoot) {
  fs::remove(root_ + "/etc/passwd");
  fs::create_symlink("/../../../../../../etc/passwd-of-the-container", root_ + "/etc/passwd");
  write("/etc/passwd-of-the-container", "inner:x:7:8::/:/bin/sh\n");
  EXPECT_EQ(blocking_find_user(root_, "inner", {}).uid, 7U);
}

TEST_F(RuntimeConfig, ResourcesBecomeLimits) {
  const auto host = CgroupHost::blocking_detect();
  ASSERT_TRUE(host.has("memory") && host.has("pids") && host.has("cpu"));
  std::vector<std::string> warnings;
  OciResources wanted;
  wanted.memory = 64L * 1024 * 1024;
  wanted.nano_cpus = 1'500'000'000;
  wanted.pids_limit = 20;
  const auto resources = make_resources(wanted, host, warnings);
  EXPECT_EQ(resources.at("memory").at("limit"), 64L * 1024 * 1024);
  EXPECT_EQ(resources.at("cpu").at("quota"), 150'000);
  EXPECT_EQ(resources.at("cpu").at("period"), 100'000);
  EXPECT_EQ(resources.at("pids").at("limit"), 20);
}

TEST_F(RuntimeConfig, AMissingControllerIsAWarningInDockersWords) {
  std::vector<std::string> warnings;
  OciResources wanted;
  wanted.pids_limit = 20;
  EXPECT_TRUE(make_resources(wanted, CgroupHost(), warnings).empty());
  EXPECT_THAT(warnings, ElementsAre(testing::HasSubstr("PIDs limit discarded")));
}

TEST_F(RuntimeConfig, CapabilitiesFollowDockersRules) {
  EXPECT_EQ(container_capabilities({}, {}, false).size(), 14U);
  EXPECT_THAT(container_capabilities({"net_admin"}, {"CAP_KILL"}, false), Contains("CAP_NET_ADMIN"));
  EXPECT_THAT(container_capabilities({"net_admin"}, {"CAP_KILL"}, false), Not(Contains("CAP_KILL")));
  EXPECT_THAT(container_capabilities({"chown"}, {"all"}, false), ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(container_capabilities({"ALL"}, {"SYS_ADMIN"}, false), Not(Contains("CAP_SYS_ADMIN")));
  settings_.cap_add = {"FLY"};
  EXPECT_EQ(failure(), "invalid CapAdd: unknown capability: \"CAP_FLY\"");
}

TEST_F(RuntimeConfig, SeccompAllowsWhatACapabilityIsFor) {
  const auto allowed = [](const json::object& profile) { return strings(profile.at("syscalls").at(0).at("names")); };
  const auto plain = default_seccomp_profile({"CAP_CHOWN"}, "x86_64");
  EXPECT_THAT(allowed(plain), Not(Contains("mount")));
  EXPECT_THAT(allowed(plain), Contains("arch_prctl"));
  EXPECT_EQ(plain.at("syscalls").as_array().back().at("errnoRet"), 38) << "clone3 has to look as if the kernel did not know it";
  const auto admin = default_seccomp_profile({"CAP_SYS_ADMIN", "CAP_SYSLOG", "CAP_SYS_PTRACE"}, "x86_64");
  EXPECT_THAT(allowed(admin), Contains("mount"));
  auto names = allowed(admin);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end()) << "a system call may stand in the list once only";
  EXPECT_EQ(default_seccomp_profile({}, "aarch64").at("architectures").at(0), "SCMP_ARCH_AARCH64");
}

TEST_F(RuntimeConfig, SecurityOptionsAreRead) {
  settings_.security_opt = {"no-new-privileges", "seccomp=unconfined"};
  const auto document = make();
  EXPECT_EQ(document.at("process").at("noNewPrivileges"), true);
  EXPECT_FALSE(document.at("linux").as_object().contains("seccomp"));
  settings_.security_opt = {R"(seccomp={"defaultAction":"SCMP_ACT_LOG"})"};
  EXPECT_EQ(make().at("linux").at("seccomp").at("defaultAction"), "SCMP_ACT_LOG");
  settings_.security_opt = {"seccomp=no profile"};
  EXPECT_THAT(failure(), testing::HasSubstr("decoding seccomp profile failed"));
  settings_.security_opt = {"colour=blue"};
  EXPECT_THAT(failure(), testing::HasSubstr("invalid --security-opt"));
}

TEST_F(RuntimeConfig, NamespacesOfTheHostAndOfOthers) {
  settings_.network.kind = NamespaceChoice::Kind::host;
  settings_.pid_namespace = {NamespaceChoice::Kind::of_process, 42};
  settings_.uts.kind = NamespaceChoice::Kind::host;
  const auto document = make();
  EXPECT_THAT(namespaces(document), testing::UnorderedElementsAre("mount", "pid", "ipc"));
  EXPECT_EQ(document.at("linux").at("namespaces").at(1).at("path"), "/proc/42/ns/pid");
  EXPECT_FALSE(document.contains("hostname"));
  EXPECT_FALSE(document.at("linux").as_object().contains("sysctl"));
}

TEST_F(RuntimeConfig, MountsComeParentFirstAndReplaceTheDefaults) {
  settings_.mounts = {{.source = "/b", .destination = "/a/b", .read_only = true},
                      {.source = "/a", .destination = "/a/"},
                      {.kind = OciMount::Kind::tmpfs, .destination = "/dev/shm", .tmpfs_options = "size=1m,exec"}};
  const auto document = make();
  std::vector<std::string> destinations;
  for (const auto& item : document.at("mounts").as_array()) destinations.emplace_back(item.at("destination").as_string());
  EXPECT_EQ(std::ranges::count(destinations, "/dev/shm"), 1);
  EXPECT_LT(std::ranges::find(destinations, "/a"), std::ranges::find(destinations, "/a/b"));
  EXPECT_THAT(strings(mount_at(document, "/dev/shm").at("options")), ElementsAre("nosuid", "nodev", "size=1m", "exec"));
  EXPECT_THAT(strings(mount_at(document, "/a/b").at("options")), ElementsAre("rbind", "rprivate", "ro"));
  EXPECT_EQ(mount_at(document, "/etc/hosts").at("source"), "/state/hosts");
}

TEST_F(RuntimeConfig, InitRunsTheCommandUnderTini) {
  settings_.init = true;
  const auto document = make();
  EXPECT_THAT(strings(document.at("process").at("args")), ElementsAre("/sbin/docker-init", "--", "/bin/true"));
  EXPECT_EQ(mount_at(document, "/sbin/docker-init").at("source"), "/usr/bin/tini");
  host_.init_path.clear();
  EXPECT_THAT(failure(), testing::HasSubstr("package tini"));
}

TEST_F(RuntimeConfig, UlimitsAndDevicesAreChecked) {
  settings_.ulimits = {{"nofile", 100, 200}};
  EXPECT_EQ(json::serialize(make().at("process").at("rlimits")), R"([{"type":"RLIMIT_NOFILE","soft":100,"hard":200}])");
  settings_.ulimits = {{"luck", 1, 1}};
  EXPECT_EQ(failure(), "invalid ulimit type: luck");
  settings_.ulimits.clear();
  settings_.devices = {{"/dev/no-such-thing", "", ""}};
  EXPECT_THAT(failure(), testing::HasSubstr("error gathering device information while adding custom device \"/dev/no-such-thing\""));
  settings_.devices = {{"/dev/null", "/dev/nothing", "r"}};
  EXPECT_EQ(make().at("linux").at("devices").at(0).at("path"), "/dev/nothing");
  EXPECT_THROW(parse_device_rule("x 1:2 rwm"), Error);
  EXPECT_EQ(json::serialize(parse_device_rule("c 189:* rm")), R"({"allow":true,"type":"c","access":"rm","major":189})");
}

TEST(GeneratedFiles, HostsHasTheExtraNames) {
  const auto text = make_hosts_file({"db:10.0.0.2", "v6:[::2]", "gate:host-gateway"}, "10.0.0.9", {"box.example", "box"});
  EXPECT_THAT(text, testing::HasSubstr("10.0.0.2\tdb\n"));
  EXPECT_THAT(text, testing::HasSubstr("::2\tv6\n"));
  EXPECT_THAT(text, testing::HasSubstr("10.0.0.9\tbox.example box\n"));
  EXPECT_THAT(text, Not(testing::HasSubstr("gate")));
}

TEST(GeneratedFiles, ResolvConfDropsServersThatCannotBeReached) {
  const std::string host = "# made by x\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch example.org\n";
  EXPECT_EQ(make_resolv_conf(host, {}, {}, {}, false), "nameserver 9.9.9.9\nsearch example.org\n");
  EXPECT_EQ(make_resolv_conf(host, {}, {}, {}, true), "nameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch example.org\n");
  EXPECT_EQ(make_resolv_conf(host, {"1.1.1.1"}, {"."}, {"ndots:2"}, false), "nameserver 1.1.1.1\noptions ndots:2\n");
}

}  // namespace
}  // namespace sockerless::local
