#include "oci/tar.hpp"

#include <cstring>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(google-build-using-namespace)
using Type = TarEntry::Type;

struct Member {
  TarEntry entry;
  std::string content;
};

std::vector<Member> read_all(const std::string& tar) {
  MemorySource source(tar);
  TarReader reader(source);
  std::vector<Member> members;
  while (auto entry = reader.blocking_next()) {
    std::string content;
    std::array<char, 777> buffer{};
    while (const std::size_t count = reader.blocking_read(std::as_writable_bytes(std::span(buffer)))) content.append(buffer.data(), count);
    members.push_back({*std::move(entry), std::move(content)});
  }
  return members;
}

/// A ustar header written by hand, so that it can lie.
std::string raw_header(std::string_view name, char type, std::string_view size,
                       std::string_view magic = std::string_view("ustar\00000", 8)) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size);
  put(136, "00000000000");
  put(156, std::string_view(&type, 1));
  put(257, magic);
  return block;
}

std::string with_checksum(std::string block) {
  block.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  block.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  return block;
}

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

std::string pax_record(std::string_view key, std::string_view value) {
  std::size_t length = key.size() + value.size() + 3;
  while (fmt::formatted_size("{} {}={}\n", length, key, value) != length) ++length;
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_header(const std::string& records) {
  return with_checksum(raw_header("pax", 'x', fmt::format("{:011o}", records.size()))) + padded(records);
}

const std::string kEnd(1024, '\0');  // NOLINT(cert-err58-cpp)

/// What libarchive writes in this format.
std::string written_by_libarchive(const char* format, const std::function<void(archive_entry*)>& fill, std::string_view content) {
  std::string out(1UL << 20, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  EXPECT_EQ(archive_write_set_format_by_name(writer, format), ARCHIVE_OK);
  archive_write_set_options(writer, "hdrcharset=BINARY");
  EXPECT_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_mode(entry, S_IFREG | 0640);
  archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  fill(entry);
  EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
  EXPECT_EQ(archive_write_data(writer, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

TEST(Tar, WhatIsWrittenIsReadAgain) {
  TarBuilder tar;
  TarEntry file = TarBuilder::make(Type::file, std::string(300, 'n') + "/d\xc3\xa9j\xc3\xa0-\xff", 04755);
  file.uid = 3'000'000'000;
  file.gid = 7;
  file.mtime = TimePoint{} - std::chrono::nanoseconds(1'500'000'001);
  file.xattrs = {{"user.key", std::string("a\0=\n", 4)}};
  tar.add(file).directory("dir/").symlink("dir/s", std::string(200, 't')).hard_link("h", "dir/s");
  TarEntry device = TarBuilder::make(Type::char_device, "null", 0666);
  device.device_major = 1;
  device.device_minor = 3;
  tar.add(device).add(TarBuilder::make(Type::fifo, "pipe", 0600)).file("content", "hello");
  const auto members = read_all(tar.finish());
  ASSERT_EQ(members.size(), 7U);
  EXPECT_EQ(members[0].entry.name, file.name);
  EXPECT_EQ(members[0].entry.mode, 04755U);
  EXPECT_EQ(members[0].entry.uid, 3'000'000'000U);
  EXPECT_EQ(members[0].entry.gid, 7U);
  EXPECT_EQ(members[0].entry.mtime, file.mtime);
  EXPECT_EQ(members[0].entry.xattrs, file.xattrs);
  EXPECT_EQ(members[1].entry.type, Type::directory);
  EXPECT_EQ(members[2].entry.link, std::string(200, 't'));
  EXPECT_EQ(members[3].entry.type, Type::hard_link);
  EXPECT_EQ(members[3].entry.link, "dir/s");
  EXPECT_EQ(members[4].entry.device_major, 1U);
  EXPECT_EQ(members[4].entry.device_minor, 3U);
  EXPECT_EQ(members[5].entry.type, Type::fifo);
  EXPECT_EQ(members[6].content, "hello");
}

TEST(Tar, ReadsTheFormatsOfOtherWriters) {
  for (const char* format : {"pax", "gnutar", "ustar"}) {
    const bool is_ustar = std::string_view(format) == "ustar";
    const std::string name = std::string(90, 'a') + "/" + std::string(60, 'b') + (is_ustar ? "" : "/\xc5\x91" + std::string(150, 'c'));
    const std::string tar = written_by_libarchive(
        format,
        [&](archive_entry* entry) {
          archive_entry_copy_pathname(entry, name.c_str());
          archive_entry_set_uid(entry, is_ustar ? 100 : 5'000'000);
          archive_entry_set_mtime(entry, 1'700'000'000, 0);
        },
        "content");
    const auto members = read_all(tar);
    ASSERT_EQ(members.size(), 1U) << format;
    EXPECT_EQ(members[0].entry.name, name) << format;
    EXPECT_EQ(members[0].entry.uid, is_ustar ? 100U : 5'000'000U) << format;
    EXPECT_EQ(members[0].entry.mode, 0640U) << format;
    EXPECT_EQ(unix_seconds(members[0].entry.mtime), 1'700'000'000) << format;
    EXPECT_EQ(members[0].content, "content") << format;
  }
}

TEST(Tar, ReadsPaxSparseFilesAsLibarchiveWritesThem) {
  const std::string content = std::string(4096, 'x') + std::string(8192, '\0') + std::string(4096, 'y');
  const std::string tar = written_by_libarchive(
      "pax",
      [](archive_entry* entry) {
        archive_entry_copy_pathname(entry, "sparse");
        archive_entry_sparse_add_entry(entry, 0, 4096);
        archive_entry_sparse_add_entry(entry, 12288, 4096);
      },
      content);
  const auto members = read_all(tar);
  ASSERT_EQ(members.size(), 1U);
  const TarEntry& entry = members[0].entry;
  EXPECT_TRUE(entry.is_sparse);
  EXPECT_EQ(entry.name, "sparse");
  EXPECT_EQ(entry.size, 16384U);
  EXPECT_EQ(entry.stored_size, 8192U);
  ASSERT_GE(entry.extents.size(), 2U);
  EXPECT_EQ(entry.extents[1].offset, 12288U);
  EXPECT_EQ(members[0].content, std::string(4096, 'x') + std::string(4096, 'y'));
}

TEST(Tar, ReadsOldGnuAndOldPaxSparseFiles) {
  std::string gnu = raw_header("old", 'S', fmt::format("{:011o}", 1024), std::string_view("ustar  \0", 8));
  gnu.replace(386, 23, fmt::format("{:011o} {:011o}", 512, 1024));
  gnu.replace(483, 11, fmt::format("{:011o}", 4096));
  const auto old = read_all(with_checksum(gnu) + std::string(1024, 'z') + kEnd);
  ASSERT_EQ(old.size(), 1U);
  EXPECT_EQ(old[0].entry.size, 4096U);
  ASSERT_EQ(old[0].entry.extents.size(), 1U);
  EXPECT_EQ(old[0].entry.extents[0].offset, 512U);
  EXPECT_EQ(old[0].content, std::string(1024, 'z'));

  const std::string body = with_checksum(raw_header("f", '0', fmt::format("{:011o}", 3))) + padded("abc") + kEnd;
  const std::string v01 =
      pax_header(pax_record("GNU.sparse.size", "100") + pax_record("GNU.sparse.map", "10,3") + pax_record("GNU.sparse.name", "real"));
  const std::string v00 =
      pax_header(pax_record("GNU.sparse.size", "100") + pax_record("GNU.sparse.offset", "10") + pax_record("GNU.sparse.numbytes", "3"));
  EXPECT_EQ(read_all(v01 + body).at(0).entry.name, "real");
  for (const auto& header : {v00, v01}) {
    const auto members = read_all(header + body);
    ASSERT_EQ(members.size(), 1U);
    EXPECT_EQ(members[0].entry.size, 100U);
    EXPECT_EQ(members[0].entry.extents.at(0).offset, 10U);
    EXPECT_EQ(members[0].content, "abc");
  }
}

TEST(Tar, RefusesSparseMapsThatLie) {
  const std::string body = with_checksum(raw_header("f", '0', fmt::format("{:011o}", 3))) + padded("abc") + kEnd;
  for (const char* map : {"0,2", "0,4", "98,3", "5,2,4,1", "18446744073709551615,3", "x", "0", "9223372036854775807,3"}) {
    EXPECT_THAT(message_of([&] { read_all(pax_header(pax_record("GNU.sparse.size", "100") + pax_record("GNU.sparse.map", map)) + body); }),
                HasSubstr("invalid tar header"))
        << map;
  }
}

TEST(Tar, RefusesDamagedHeaders) {
  const std::string good = with_checksum(raw_header("f", '0', "00000000003")) + padded("abc") + kEnd;
  EXPECT_EQ(read_all(good).at(0).content, "abc");
  std::string flipped = good;
  flipped[3] ^= 1;
  EXPECT_THAT(message_of([&] { read_all(flipped); }), HasSubstr("invalid tar header"));
  EXPECT_THAT(message_of([&] { read_all(with_checksum(raw_header("f", '0', "0000000000x")) + kEnd); }), HasSubstr("invalid tar header"));
  EXPECT_THAT(message_of([&] { read_all(with_checksum(raw_header("", '0', "00000000000")) + kEnd); }), HasSubstr("invalid tar header"));
  EXPECT_THAT(message_of([&] { read_all(with_checksum(raw_header("f", 'V', "00000000000")) + kEnd); }),
              HasSubstr("unhandled tar header type 86"));
  EXPECT_THAT(message_of([&] { read_all(std::string(512, 'A')); }), HasSubstr("invalid tar header"));
  // base 256: minus one, and more than fits
  EXPECT_THAT(message_of([&] { read_all(with_checksum(raw_header("f", '0', std::string(12, '\xff'))) + kEnd); }),
              HasSubstr("invalid tar header"));
  EXPECT_THAT(message_of([&] { read_all(with_checksum(raw_header("f", '0', "\x80" + std::string(11, '\x7f'))) + kEnd); }),
              HasSubstr("invalid tar header"));
}

TEST(Tar, RefusesDamagedPaxHeaders) {
  const std::string body = with_checksum(raw_header("f", '0', "00000000000")) + kEnd;
  for (const std::string& records :
       {std::string("5 a=b\n"), std::string("99 a=b\n"), std::string("6 a=b "), std::string("6 abc\n"), std::string("x a=b\n"),
        std::string("0 a=b\n"), pax_record("size", "-1"), pax_record("uid", "4294967296"), pax_record("mtime", "never"),
        pax_record("path", std::string("a\0b", 3))}) {
    EXPECT_THAT(message_of([&] { read_all(pax_header(records) + body); }), HasSubstr("invalid tar header")) << records;
  }
  const std::string huge = with_checksum(raw_header("pax", 'x', "77777777777"));
  EXPECT_THAT(message_of([&] { read_all(huge + body); }), HasSubstr("invalid tar header"));
  EXPECT_THAT(message_of([&] { read_all(pax_header(pax_record("path", "x"))); }), HasSubstr("unexpected EOF"));
}

TEST(Tar, ASizeThatLiesIsAnUnexpectedEnd) {
  const std::string lie = with_checksum(raw_header("f", '0', "77777777777")) + padded("abc") + kEnd;
  EXPECT_EQ(message_of([&] { read_all(lie); }), "unexpected EOF");
  const std::string pax_lie =
      pax_header(pax_record("size", "9223372036854770000")) + with_checksum(raw_header("f", '0', "00000000003")) + padded("abc");
  EXPECT_EQ(message_of([&] { read_all(pax_lie); }), "unexpected EOF");
}

TEST(Tar, IgnoresTheSizeOfWhatHasNoContent) {
  const auto members = read_all(with_checksum(raw_header("d", '5', "00000001000")) + with_checksum(raw_header("f", '0', "00000000001")) +
                                padded("x") + kEnd);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].entry.size, 0U);
  EXPECT_EQ(members[1].content, "x");
}

TEST(Tar, TheLastPaddingMayLackWhereThatIsAllowed) {
  TarBuilder builder;
  builder.file("f", std::string(1000, 'x'));
  const std::string whole = builder.finish();
  MemorySource source(whole.substr(0, 512 + 1000));
  TarReader reader(source, LastPadding::optional);
  ASSERT_TRUE(reader.blocking_next());
  EXPECT_FALSE(reader.blocking_next());
  MemorySource torn(whole.substr(0, 512 + 999));
  TarReader torn_reader(torn, LastPadding::optional);
  ASSERT_TRUE(torn_reader.blocking_next());
  EXPECT_EQ(message_of([&] { torn_reader.blocking_next(); }), "unexpected EOF");
}

TEST(Tar, ATornArchiveNeverEndsWell) {
  TarBuilder builder;
  builder.directory("d").file("d/f", std::string(1000, 'x')).symlink("d/" + std::string(150, 's'), "f");
  const std::string whole = builder.finish();
  const auto expected = read_all(whole).size();
  ASSERT_EQ(expected, 3U);
  for (std::size_t cut = 0; cut < whole.size() - 1024; ++cut) {
    std::size_t count = 0;
    const std::string message = message_of([&] { count = read_all(whole.substr(0, cut)).size(); });
    if (message.empty()) {
      EXPECT_EQ(cut % 512, 0U) << "cut inside a block at " << cut;
      EXPECT_LT(count, expected) << cut;
    } else {
      EXPECT_EQ(message, "unexpected EOF") << cut;
    }
  }
}

TEST(Tar, EveryFlippedByteIsAnErrorOrAnOtherTar) {
  TarBuilder builder;
  builder.file("d/f", "content").symlink("d/" + std::string(150, 's'), "f");
  const std::string whole = builder.finish();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x81);
    std::ignore = message_of([&] { EXPECT_LE(read_all(damaged).size(), 2U); });
  }
}

TEST(CleanPath, IsLexicalAndKeepsWhatClimbsOut) {
  EXPECT_EQ(clean_path("a//b/./c/../d/"), "a/b/d");
  EXPECT_EQ(clean_path("/a"), "a");
  EXPECT_EQ(clean_path("/../../a"), "a");
  EXPECT_EQ(clean_path("./"), ".");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("a/../../b"), "../b");
  EXPECT_TRUE(climbs_out(clean_path("a/../..")));
  EXPECT_TRUE(climbs_out(clean_path("../../etc/passwd")));
  EXPECT_FALSE(climbs_out(clean_path("..a/b")));
}

}  // namespace
}  // namespace sockerless::oci
