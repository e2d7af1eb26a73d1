#include <algorithm>

#include <gtest/gtest.h>

#include "tests/differential/script.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/dockerd.hpp"

namespace sockerless::differential {
namespace {

TEST(Differential, EveryAnswerIsTheDaemonsOwn) {
  support::Dockerd dockerd;
  dockerd.import_busybox();
  std::ignore = play(dockerd.socket());  // the first run leaves marks that the others find: layers, empty lists
  support::Daemon daemon("docker", {"--docker-host", dockerd.socket()});
  const std::vector<Line> expected = play(dockerd.socket());
  const std::vector<Line> relayed = play(daemon.socket());
  EXPECT_GE(expected.size(), 200U);
  for (std::size_t i = 0; i < std::min(expected.size(), relayed.size()); ++i) {
    ASSERT_EQ(relayed[i].request, expected[i].request);
    EXPECT_EQ(relayed[i].answer, expected[i].answer) << "to " << expected[i].request;
  }
  EXPECT_EQ(relayed.size(), expected.size());
}

}  // namespace
}  // namespace sockerless::differential
