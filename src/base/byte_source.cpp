#include "base/byte_source.hpp"

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless {

namespace {

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Task<std::span<const std::byte>> next() override {
    if (given_) co_return std::span<const std::byte>{};
    given_ = true;
    co_return as_bytes(text_);
  }

 private:
  std::string text_;
  bool given_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> make_text_source(std::string text) { return std::make_unique<TextSource>(std::move(text)); }

Task<std::string> read_all(ByteSource& source, std::size_t limit) {
  std::string text;
  for (;;) {
    const auto bytes = co_await source.next();
    if (bytes.empty()) co_return text;
    if (text.size() + bytes.size() > limit) throw Error::too_large("the text is longer than {} bytes", limit);
    text += as_text(bytes);
  }
}

}  // namespace sockerless
