#include "backend/capabilities.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

Capabilities sample() {
  Capabilities capabilities;
  capabilities.backend = "memory";
  capabilities.version = "0.1.0";
  capabilities.exec = capabilities.attach = capabilities.logs = capabilities.logs_follow = true;
  capabilities.volumes = capabilities.networks = capabilities.health_checks = true;
  capabilities.image_pull = capabilities.image_load = true;
  return capabilities;
}

TEST(Capabilities, AreWrittenInTheOrderOfTheInternalApi) {
  EXPECT_EQ(to_json(sample()),
            R"({"backend":"memory","version":"0.1.0","capabilities":{"exec":true,"attach":true,"logs":true,"logs_follow":true,)"
            R"("volumes":true,"networks":true,"health_checks":true,"image_pull":true,"image_load":true,"max_timeout_seconds":0,)"
            R"("agent_required":false}})");
}

TEST(Capabilities, SurviveTheWayThereAndBack) {
  Capabilities capabilities = sample();
  capabilities.max_timeout_seconds = 1800;
  capabilities.agent_required = true;
  capabilities.image_load = false;
  EXPECT_EQ(parse_capabilities(to_json(capabilities)), capabilities);
}

TEST(Capabilities, OfAnotherShapeAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"backend":"x","version":"1"})", R"({"backend":"x","version":"1","capabilities":{}})",
                           R"({"backend":1,"version":"1","capabilities":{}})"}) {
    try {
      parse_capabilities(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << text;
    }
  }
}

}  // namespace
}  // namespace sockerless
