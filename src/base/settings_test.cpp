#include "base/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

const std::vector<SettingSpec> kSpecs{{"socket", "T_SOCKET", {"/default"}, false}, {"host", "", {}, true}, {"tls", "", {"false"}, false}};

std::optional<std::string> no_environment(const std::string&) { return std::nullopt; }
std::optional<std::string> some_environment(const std::string& name) {
  return name == "T_SOCKET" ? std::optional<std::string>("/env") : std::nullopt;
}

std::string message_of(const std::string& yaml) {
  try {
    Settings::resolve(kSpecs, {}, no_environment, yaml, "x.yaml");
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

TEST(Settings, FlagsBeatEnvironmentBeatFileBeatDefaults) {
  EXPECT_EQ(Settings::resolve(kSpecs, {}, no_environment, std::nullopt, "").get("socket"), "/default");
  EXPECT_EQ(Settings::resolve(kSpecs, {}, no_environment, "socket: /file\n", "x").get("socket"), "/file");
  EXPECT_EQ(Settings::resolve(kSpecs, {}, some_environment, "socket: /file\n", "x").get("socket"), "/env");
  EXPECT_EQ(Settings::resolve(kSpecs, {{"socket", {"/flag"}}}, some_environment, "socket: /file\n", "x").get("socket"), "/flag");
}

TEST(Settings, AListFillsARepeatableSetting) {
  const auto settings = Settings::resolve(kSpecs, {}, no_environment, "host: [a, b]\ntls: yes\n", "x");
  EXPECT_THAT(settings.get_all("host"), testing::ElementsAre("a", "b"));
  EXPECT_TRUE(settings.get_bool("tls"));
}

TEST(Settings, MistakesNameTheFileAndTheLine) {
  EXPECT_EQ(message_of("socket: a\nsokket: b\n"), "x.yaml:2: unknown key \"sokket\"");
  EXPECT_EQ(message_of("socket: [a]\n"), "x.yaml:1: \"socket\" wants one value");
  EXPECT_THAT(message_of("socket: a\n  b: [\n"), testing::StartsWith("x.yaml:"));
}

}  // namespace
}  // namespace sockerless
