#include "api/image_reference.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string failure(std::string_view text) {
  try {
    ImageReference::parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no failure";
}

struct Good {
  std::string_view text;
  std::string_view domain;
  std::string_view path;
  std::string_view tag;
  std::string_view familiar;
};

class ImageReferenceReads : public testing::TestWithParam<Good> {};

TEST_P(ImageReferenceReads, FamiliarAndCanonicalForms) {
  const Good& good = GetParam();
  const ImageReference reference = ImageReference::parse(good.text);
  EXPECT_EQ(reference.domain(), good.domain);
  EXPECT_EQ(reference.path(), good.path);
  EXPECT_EQ(reference.tag(), good.tag);
  EXPECT_EQ(reference.familiar(), good.familiar);
  EXPECT_EQ(ImageReference::parse(reference.canonical()), reference);
  EXPECT_EQ(ImageReference::parse(reference.familiar()), reference);
}

INSTANTIATE_TEST_SUITE_P(All, ImageReferenceReads,
                         testing::Values(Good{"busybox", "docker.io", "library/busybox", "", "busybox"},
                                         Good{"busybox:1.36", "docker.io", "library/busybox", "1.36", "busybox:1.36"},
                                         Good{"library/busybox", "docker.io", "library/busybox", "", "busybox"},
                                         Good{"docker.io/busybox", "docker.io", "library/busybox", "", "busybox"},
                                         Good{"index.docker.io/library/busybox:x", "docker.io", "library/busybox", "x", "busybox:x"},
                                         Good{"user/app", "docker.io", "user/app", "", "user/app"},
                                         Good{"docker.io/a.b/app", "docker.io", "a.b/app", "", "docker.io/a.b/app"},
                                         Good{"docker.io/localhost/app:x", "docker.io", "localhost/app", "x", "docker.io/localhost/app:x"},
                                         Good{"library/a/b", "docker.io", "library/a/b", "", "library/a/b"},
                                         Good{"localhost/app", "localhost", "app", "", "localhost/app"},
                                         Good{"localhost:5000/app:v1", "localhost:5000", "app", "v1", "localhost:5000/app:v1"},
                                         Good{"ghcr.io/a/b/c:d", "ghcr.io", "a/b/c", "d", "ghcr.io/a/b/c:d"},
                                         Good{"[::1]:5000/app", "[::1]:5000", "app", "", "[::1]:5000/app"},
                                         Good{"UPPER/app", "UPPER", "app", "", "UPPER/app"},
                                         Good{"a.b/c__d/e-f--g_h.i", "a.b", "c__d/e-f--g_h.i", "", "a.b/c__d/e-f--g_h.i"},
                                         Good{"app:_T-ag.1", "docker.io", "library/app", "_T-ag.1", "app:_T-ag.1"}));

TEST(ImageReference, KeepsTagAndDigest) {
  const ImageReference reference = ImageReference::parse("busybox:1@" + kDigest);
  EXPECT_EQ(reference.tag(), "1");
  EXPECT_EQ(reference.digest(), kDigest);
  EXPECT_EQ(reference.canonical(), "docker.io/library/busybox:1@" + kDigest);
  EXPECT_EQ(reference.with_default_tag(), reference);
}

TEST(ImageReference, CompletesAndReplacesTheTag) {
  EXPECT_EQ(ImageReference::parse("busybox").with_default_tag().familiar(), "busybox:latest");
  EXPECT_EQ(ImageReference::parse("busybox@" + kDigest).with_default_tag().tag(), "");
  EXPECT_EQ(ImageReference::parse("busybox:1").with_tag("2").familiar(), "busybox:2");
  EXPECT_EQ(ImageReference::parse("busybox:1").with_digest(kDigest).familiar(), "busybox@" + kDigest);
  EXPECT_THROW(ImageReference::parse("busybox").with_tag("a b"), Error);
  EXPECT_THROW(ImageReference::parse("busybox").with_tag(std::string(129, 'a')), Error);
}

TEST(ImageReference, RefusesInDockersWords) {
  EXPECT_EQ(failure("Busybox"), "invalid reference format: repository name (library/Busybox) must be lowercase");
  EXPECT_EQ(failure("docker.io/a/B:C"), "invalid reference format: repository name (a/B) must be lowercase");
  EXPECT_EQ(failure(std::string(64, 'a')),
            "invalid repository name (" + std::string(64, 'a') + "), cannot specify 64-byte hexadecimal strings");
  EXPECT_EQ(failure("a.b/" + std::string(256, 'a')), "repository name must not be more than 255 characters");
  EXPECT_EQ(failure("busybox@sha256:" + std::string(32, 'a')), "invalid checksum digest length");
  EXPECT_EQ(failure("busybox@md5:" + std::string(32, 'a')), "unsupported digest algorithm");
  EXPECT_EQ(failure("busybox@sha256:" + std::string(64, 'A')), "invalid checksum digest format");
  for (const std::string_view text :
       {"",    ":",     "@",    "a:",      "a@",     "/a",     "a/",   "a//b",  "-a",           "a-",        "a..b", "a___b",   "a._b",
        "a b", "a:b:c", "a:-x", "a.b:x/c", "a.b:/c", "[::1/c", "[]/c", "a/b\n", "a@sha256:xyz", "a\xC3\xA9", ".a/b", "-h.io/b", "a@b@c"}) {
    EXPECT_EQ(failure(text), "invalid reference format") << text;
    EXPECT_FALSE(ImageReference::find(text)) << text;
  }
}

}  // namespace
}  // namespace sockerless::api
