#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.hpp"
#include "oci/rooted_dir.hpp"
#include "oci/source.hpp"
#include "oci/tar.hpp"

// What the tests of this module, and of those that keep images, make their archives with. Included by tests only.

namespace sockerless::oci::testing_support {

/// A directory that is gone with its object.
class TempDir {
 public:
  TempDir() {
    std::string pattern = std::filesystem::temp_directory_path() / "sockerless-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw from_errno(errno, "mkdtemp");
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { blocking_remove_tree(AT_FDCWD, path_.string()); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class StringSink : public TarWriter::Sink {
 public:
  void blocking_write(std::span<const std::byte> bytes) override { text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  std::string text;
};

/// Puts a tar together, member by member.
class TarBuilder {
 public:
  TarBuilder& file(std::string name, std::string_view content, std::uint32_t mode = 0644) {
    TarEntry entry = make(TarEntry::Type::file, std::move(name), mode);
    entry.size = content.size();
    writer_.blocking_add(entry);
    writer_.blocking_write(std::as_bytes(std::span(content)));
    return *this;
  }
  TarBuilder& directory(std::string name, std::uint32_t mode = 0755) { return add(make(TarEntry::Type::directory, std::move(name), mode)); }
  TarBuilder& symlink(std::string name, std::string target) { return linked(TarEntry::Type::symlink, std::move(name), std::move(target)); }
  TarBuilder& hard_link(std::string name, std::string target) {
    return linked(TarEntry::Type::hard_link, std::move(name), std::move(target));
  }
  TarBuilder& add(const TarEntry& entry) {
    writer_.blocking_add(entry);
    return *this;
  }
  std::string finish() {
    writer_.blocking_finish();
    return std::move(sink_.text);
  }

  static TarEntry make(TarEntry::Type type, std::string name, std::uint32_t mode) {
    TarEntry entry;
    entry.type = type;
    entry.name = std::move(name);
    entry.mode = mode;
    entry.mtime = TimePoint{} + std::chrono::seconds(1'700'000'000);
    return entry;
  }

 private:
  TarBuilder& linked(TarEntry::Type type, std::string name, std::string target) {
    TarEntry entry = make(type, std::move(name), 0777);
    entry.link = std::move(target);
    return add(entry);
  }

  StringSink sink_;
  TarWriter writer_{sink_};
};

/// "gzip", "zstd", "xz", "bzip2": through libarchive's own writer.
inline std::string compress(std::string_view plain, const char* filter) {
  std::string out(plain.size() * 2 + 65536, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  EXPECT_EQ(archive_write_add_filter_by_name(writer, filter), ARCHIVE_OK);
  EXPECT_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_pathname(entry, "data");
  EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(writer, plain.data(), plain.size()), static_cast<la_ssize_t>(plain.size()));
  archive_entry_free(entry);
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

inline struct stat stat_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

inline std::string xattr_of(const std::filesystem::path& path, const char* name) {
  std::string value(256, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  value.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return value;
}

/// The bytes as an archive in a file without a name.
inline Blob blob_of(std::string_view bytes) {
  auto file = std::make_shared<UniqueFd>(blocking_open_anonymous_file(std::filesystem::temp_directory_path().string()));
  blocking_write_all(file->get(), std::as_bytes(std::span(bytes)), "write the fixture");
  return Blob::whole(std::move(file));
}

/// The message of the Error that `action` throws; empty when it throws none.
template <typename F>
std::string message_of(F action) {
  try {
    action();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

}  // namespace sockerless::oci::testing_support
