#include "oci/gzip.hpp"

#include <cerrno>
#include <memory>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

struct Output {
  int fd;
  Sha256 hash;
  std::uint64_t size = 0;
  std::exception_ptr failure;

  static la_ssize_t write(archive* handle, void* self, const void* data, std::size_t length) {
    auto& output = *static_cast<Output*>(self);
    try {
      const std::span bytes(static_cast<const std::byte*>(data), length);
      output.hash.update(bytes);
      blocking_write_all(output.fd, bytes, "write a compressed layer");
      output.size += length;
      return static_cast<la_ssize_t>(length);
    } catch (...) {  // must not fly through C
      output.failure = std::current_exception();
      archive_set_error(handle, EIO, "the file failed");
      return ARCHIVE_FATAL;
    }
  }
};

}  // namespace

GzipResult blocking_gzip(BlockingSource& source, int fd) {
  Output output{fd, {}, 0, {}};
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  const auto check = [&](int result) {
    if (result == ARCHIVE_OK) return;
    if (output.failure) std::rethrow_exception(output.failure);
    const char* text = archive_error_string(writer.get());
    throw Error::internal("compress a layer: {}", text == nullptr ? "unknown error" : text);
  };
  check(archive_write_add_filter_gzip(writer.get()));
  check(archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr));
  check(archive_write_set_filter_option(writer.get(), "gzip", "compression-level", "4"));
  check(archive_write_set_format_raw(writer.get()));
  check(archive_write_set_bytes_in_last_block(writer.get(), 1));
  check(archive_write_open(writer.get(), &output, nullptr, &Output::write, nullptr));
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  check(archive_write_header(writer.get(), entry.get()));
  std::vector<std::byte> buffer(256UL * 1024);
  while (const std::size_t count = source.blocking_read(buffer)) {
    if (archive_write_data(writer.get(), buffer.data(), count) < 0) check(ARCHIVE_FATAL);
  }
  check(archive_write_close(writer.get()));
  return {output.hash.finish(), output.size};
}

}  // namespace sockerless::oci
