#include "backends/local/custom_seccomp.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "backends/local/log_options.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

std::string converted(const std::string& text, const std::set<std::string>& capabilities = {}) {
  return boost::json::serialize(custom_seccomp_profile(text, capabilities, "x86_64", "6.1.0-13-amd64"));
}

std::string rule_with(const std::string& filter) {
  return R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO",)" + filter + "}]}";
}

TEST(CustomSeccomp, RulesHoldWithTheirCapabilityArchitectureAndKernel) {
  const auto kept = [](const std::string& filter, const std::set<std::string>& capabilities = {}) {
    return converted(rule_with(filter), capabilities).find("mkdir") != std::string::npos;
  };
  EXPECT_TRUE(kept(R"("args":[])"));
  EXPECT_FALSE(kept(R"("includes":{"caps":["CAP_SYS_ADMIN"]})"));
  EXPECT_TRUE(kept(R"("includes":{"caps":["CAP_SYS_ADMIN"]})", {"CAP_SYS_ADMIN"}));
  EXPECT_FALSE(kept(R"("excludes":{"caps":["CAP_SYS_ADMIN"]})", {"CAP_SYS_ADMIN"}));
  EXPECT_TRUE(kept(R"("includes":{"arches":["amd64"]})"));
  EXPECT_FALSE(kept(R"("includes":{"arches":["s390x"]})"));
  EXPECT_FALSE(kept(R"("excludes":{"arches":["amd64"]})"));
  EXPECT_TRUE(kept(R"("includes":{"minKernel":"4.8"})"));
  EXPECT_FALSE(kept(R"("includes":{"minKernel":"6.2"})"));
}

TEST(CustomSeccomp, TheRestIsTakenOver) {
  EXPECT_EQ(converted(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"archMap":[{"architecture":"SCMP_ARCH_X86_64",)"
                      R"("subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_S390X"}],)"
                      R"("syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW","comment":"x"}]})"),
            R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],)"
            R"("syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]})");
}

TEST(CustomSeccomp, WhatIsNoProfileIsRefused) {
  EXPECT_THROW(converted("not json"), Error);
  EXPECT_THROW(converted("[]"), Error);
}

// ---- log options

std::string limit(std::map<std::string, std::string> options) {
  api::HostConfig host;
  host.log_config.emplace();
  host.log_config->config = std::move(options);
  try {
    const auto result = log_limit_of(host);
    return result ? std::to_string(result->size) + "*" + std::to_string(result->files) : "none";
  } catch (const Error& error) {
    return error.message();
  }
}

TEST(LogOptions, SizesAreReadAsDockerReadsThem) {
  EXPECT_EQ(limit({}), "none");
  EXPECT_EQ(limit({{"max-file", "3"}}), "none");
  EXPECT_EQ(limit({{"max-size", "10k"}}), "10000*1");
  EXPECT_EQ(limit({{"max-size", "1.5 MB"}, {"max-file", "3"}}), "1500000*3");
  EXPECT_EQ(limit({{"max-size", "2GiB"}}), "2000000000*1");
  EXPECT_EQ(limit({{"max-size", "bogus"}}), "failed to initialize logging driver: invalid size: 'bogus'");
  EXPECT_EQ(limit({{"max-size", "10x"}}), "failed to initialize logging driver: invalid size: '10x'");
  EXPECT_EQ(limit({{"max-size", "0"}}), "failed to initialize logging driver: max-size must be a positive number");
  EXPECT_EQ(limit({{"max-size", "1k"}, {"max-file", "x"}}),
            "failed to initialize logging driver: strconv.Atoi: parsing \"x\": invalid syntax");
  EXPECT_EQ(limit({{"max-size", "1k"}, {"max-file", "0"}}), "failed to initialize logging driver: max-file cannot be less than 1");
}

}  // namespace
}  // namespace sockerless::local
