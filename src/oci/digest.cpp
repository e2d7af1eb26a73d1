#include "oci/digest.hpp"

#include <array>

#include <openssl/evp.h>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace sockerless::oci {

namespace {
constexpr std::string_view kPrefix = "sha256:";
}  // namespace

std::optional<Digest> Digest::find(std::string_view text) {
  if (!text.starts_with(kPrefix) || !is_hex64(text.substr(kPrefix.size()))) return std::nullopt;
  return Digest(std::string(text));
}

Digest Digest::parse(std::string_view text) {
  auto digest = find(text);
  if (!digest) throw Error::invalid_argument("invalid checksum digest format: {}", text.substr(0, 256));
  return *std::move(digest);
}

Digest Digest::of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest Digest::of(std::string_view bytes) { return of(std::as_bytes(std::span(bytes))); }

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) != 1) {
    throw Error::internal("SHA-256 is not available");
  }
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) != 1) throw Error::internal("SHA-256 failed");
}

Digest Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_->evp, raw.data(), &length) != 1) throw Error::internal("SHA-256 failed");
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text(kPrefix);
  for (unsigned i = 0; i < length; ++i) {
    text += kHex[raw[i] >> 4U];
    text += kHex[raw[i] & 15U];
  }
  return Digest(std::move(text));
}

}  // namespace sockerless::oci
