#include "oci/digest.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::oci {
namespace {

TEST(Digest, IsTheSha256OfTheBytes) {
  EXPECT_EQ(Digest::of(std::string_view("")).str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 hash;
  hash.update(std::as_bytes(std::span(std::string_view("a"))));
  hash.update(std::as_bytes(std::span(std::string_view("bc"))));
  EXPECT_EQ(hash.finish().str(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, ParsesOnlyItsOwnForm) {
  const std::string good = Digest::of(std::string_view("x")).str();
  EXPECT_EQ(Digest::parse(good).str(), good);
  EXPECT_EQ(Digest::parse(good).hex(), good.substr(7));
  EXPECT_EQ(Digest::parse(good).short_hex(), good.substr(7, 12));
  for (const std::string& bad : {std::string(), good.substr(7), good + "0", "sha256:" + std::string(64, 'G'),
                                 "sha256:" + std::string(64, 'A'), "sha512:" + good.substr(7), "sha256:../" + good.substr(10)}) {
    EXPECT_FALSE(Digest::find(bad)) << bad;
    EXPECT_THROW(Digest::parse(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace sockerless::oci
