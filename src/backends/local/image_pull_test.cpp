// Pulls from a registry that is scripted: what a well-behaved one never shows.

#include <algorithm>
#include <atomic>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/image_driver.hpp"
#include "base/byte_stream.hpp"
#include "net/test_support.hpp"
#include "oci/image_fixtures.hpp"
#include "oci/test_support.hpp"

namespace sockerless::local {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace oci::testing_support;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

struct Lines : ProgressSink {
  Task<void> write(std::string json_line) override {
    text += json_line + "\n";
    co_return;
  }
  std::string text;
};

/// An image of one layer. Members may be bent before the first request.
struct Script {
  std::string layer = compress(TarBuilder().file("one", std::string(300'000, 'x')).finish(), "gzip");
  std::string config = make_config({TarBuilder().file("one", std::string(300'000, 'x')).finish()});
  std::size_t layer_size = layer.size();
  std::string layer_digest = oci::Digest::of(layer).str();
  int breaks = 0;          ///< so many downloads of the layer end in the middle
  bool resumes = true;     ///< ranges are known
  std::string token = {};  ///< asked for when set
  std::string realm = "/token";
  std::atomic<int> downloads = 0;
  std::atomic<int> resumed = 0;

  std::string manifest() const {
    return fmt::format(
        R"({{"schemaVersion":2,"config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"{}","size":{}}}]}})",
        oci::Digest::of(config).str(), config.size(), layer_digest, layer_size);
  }
};

Task<void> send_layer(Script& script, net::Exchange& exchange) {
  const bool breaks = script.downloads++ < script.breaks;
  const bool ranged = script.resumes && exchange.request().headers.contains("Range");
  const std::size_t from = ranged ? std::stoul(std::string(exchange.request().headers.find("Range")->substr(6))) : 0;
  if (ranged) ++script.resumed;
  net::Headers headers;
  if (ranged) headers.add("Content-Range", fmt::format("bytes {}-{}/{}", from, script.layer.size() - 1, script.layer.size()));
  net::BodyWriter* body = co_await exchange.respond_stream(ranged ? 206 : 200, headers);
  const std::string_view rest = std::string_view(script.layer).substr(from);
  co_await body->write(as_bytes(breaks ? rest.substr(0, rest.size() / 2) : rest));
  if (!breaks) co_await body->finish();  // else: the connection breaks
}

Task<void> answer(Script& script, net::Exchange& exchange) {
  const std::string& path = exchange.request().path;
  if (path == "/token") co_return co_await exchange.respond(200, {}, R"({"token":")" + script.token + R"("})");
  if (!script.token.empty() && exchange.request().headers.find("Authorization") != "Bearer " + script.token) {
    co_return co_await exchange.respond(401, {{"WWW-Authenticate", fmt::format(R"(Bearer realm="{}",service="test")", script.realm)}},
                                        "{}");
  }
  if (path == "/v2/") co_return co_await exchange.respond(200, {}, "{}");
  if (path.ends_with(oci::Digest::of(script.config).str())) co_return co_await exchange.respond(200, {}, script.config);
  if (path.contains("/manifests/")) co_return co_await exchange.respond(200, {}, script.manifest());
  if (path.contains("/blobs/")) co_return co_await send_layer(script, exchange);
  co_await exchange.respond(404, {}, "{}");
}

class ImagePullTest : public testing::Test {
 protected:
  NamedImage pull() { return run(driver_->pull({reference(), "", auth_}, sink_)); }
  std::string reference() const { return fmt::format("127.0.0.1:{}/team/x{}", server_.tcp_address().port, version_); }
  std::string failure() {
    try {
      pull();
    } catch (const Error& error) {
      return error.message();
    }
    return "it was pulled";
  }
  void expect_nothing_there() {
    EXPECT_THAT(run(driver_->restore()), IsEmpty());
    for (const char* folder : {"images", "layers", "staging"}) EXPECT_TRUE(fs::is_empty(temp_ / "images" / folder)) << folder;
  }

  Script script_;
  std::string version_ = ":v1";
  std::optional<api::AuthConfig> auth_;
  TempDir temp_;
  BlockingPool pool_{2};
  net::TestContext context_;
  net::TestServer server_{[this](net::Exchange& exchange) { return answer(script_, exchange); }};
  std::shared_ptr<ImageStore> store_ = ImageStore::blocking_open(temp_ / "images");
  std::unique_ptr<ImageDriver> driver_ = make_image_driver({.pool = pool_,
                                                            .clock = system_clock(),
                                                            .store = store_,
                                                            .executor = context_.executor(),
                                                            .registries = {},
                                                            .fetches = {.retry_delay = std::chrono::milliseconds(1)}});
  Lines sink_;
};

TEST_F(ImagePullTest, ABrokenDownloadGoesOnWhereItBroke) {
  script_.breaks = 2;
  EXPECT_THAT(pull().facts.layers, SizeIs(1));
  EXPECT_EQ(script_.downloads, 3);
  EXPECT_GE(script_.resumed, 1);
}

TEST_F(ImagePullTest, ABrokenDownloadBeginsAgainWhereTheRegistryDoesNotResume) {
  script_.breaks = 2;
  script_.resumes = false;
  EXPECT_THAT(pull().facts.layers, SizeIs(1));
  EXPECT_EQ(script_.resumed, 0);
}

TEST_F(ImagePullTest, ADownloadThatAlwaysBreaksIsGivenUp) {
  script_.breaks = 1000;
  EXPECT_THAT(failure(), HasSubstr("connection"));
  EXPECT_EQ(script_.downloads, 5);
  expect_nothing_there();
}

TEST_F(ImagePullTest, ALayerThatIsNotWhatItsDigestSaysIsRefused) {
  script_.layer_digest = oci::Digest::of(std::string_view("other")).str();
  EXPECT_THAT(failure(), HasSubstr("filesystem layer verification failed for digest " + script_.layer_digest));
  expect_nothing_there();
}

TEST_F(ImagePullTest, ALayerOfAnotherSizeThanItsManifestSaysIsRefused) {
  script_.layer_size += 1;
  EXPECT_THAT(failure(), HasSubstr("its manifest says"));
  script_.layer_size -= 2;
  EXPECT_THAT(failure(), HasSubstr("is longer than"));
  EXPECT_EQ(script_.downloads, 2) << "a lie is not asked for twice";
  expect_nothing_there();
}

TEST_F(ImagePullTest, ALayerThatUnpacksToAnotherDiffIdIsRefused) {
  script_.config = make_config({TarBuilder().file("other", "content").finish()});
  EXPECT_THAT(failure(), HasSubstr("diffID"));
  expect_nothing_there();
}

TEST_F(ImagePullTest, ATokenIsFetchedWhereTheRegistryAsksForOne) {
  script_.token = "let-me-in";
  EXPECT_THAT(pull().facts.layers, SizeIs(1));
}

TEST_F(ImagePullTest, ADigestThatCannotBeCheckedIsRefused) {
  version_ = "@sha512:" + std::string(128, 'a');
  EXPECT_THAT(failure(), HasSubstr("unsupported digest algorithm sha512"));
  expect_nothing_there();
}

TEST_F(ImagePullTest, CredentialsGoToTheRegistrysOwnTokenServer) {
  script_.token = "let-me-in";
  auth_.emplace();
  auth_->username = "me";
  auth_->password = "secret";
  EXPECT_THAT(pull().facts.layers, SizeIs(1));
}

TEST_F(ImagePullTest, CredentialsDoNotGoToAnotherHostOverHttp) {
  script_.token = "let-me-in";
  script_.realm = "http://elsewhere.invalid/token";
  auth_.emplace();
  auth_->username = "me";
  auth_->password = "secret";
  EXPECT_THAT(failure(), HasSubstr("are not sent to its token server http://elsewhere.invalid"));
  expect_nothing_there();
}

TEST(TurnsTest, AsManyAsAllowedUnderAName) {
  Turns turns(1);
  const auto one = [](Turns* all, std::string name, int* inside, int* most) -> Task<void> {
    const auto turn = co_await all->take(std::move(name));
    *most = std::max(*most, ++*inside);
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);  // the others run
    --*inside;
  };
  int inside = 0;
  int most = 0;
  run(both(both(one(&turns, "a", &inside, &most), one(&turns, "a", &inside, &most)), one(&turns, "a", &inside, &most)));
  EXPECT_EQ(most, 1);
  run(both(one(&turns, "a", &inside, &most), one(&turns, "b", &inside, &most)));
  EXPECT_EQ(most, 2) << "another name has its own turns";
}

TEST_F(ImagePullTest, TwoPullsOfOneLayerShareItsDownload) {
  Lines other;
  const auto one = [](ImageDriver* driver, std::string name, ProgressSink* sink) -> Task<void> {
    std::ignore = co_await driver->pull({std::move(name), "", {}}, *sink);
  };
  run(both(one(driver_.get(), reference(), &sink_), one(driver_.get(), reference(), &other)));
  EXPECT_EQ(script_.downloads, 1);
  EXPECT_THAT(sink_.text, HasSubstr("Downloaded newer image"));
  EXPECT_THAT(other.text, HasSubstr("Downloaded newer image"));
}

}  // namespace
}  // namespace sockerless::local
