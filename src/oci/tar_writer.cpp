#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

namespace {

constexpr std::size_t kBlock = 512;
using HeaderBlock = std::array<char, kBlock>;

constexpr std::array<std::byte, kBlock> kZeros{};

char flag_of(TarEntry::Type type) {
  using enum TarEntry::Type;
  switch (type) {
    case file:
      return '0';
    case hard_link:
      return '1';
    case symlink:
      return '2';
    case char_device:
      return '3';
    case block_device:
      return '4';
    case directory:
      return '5';
    case fifo:
      return '6';
  }
  return '0';
}

void put_text(HeaderBlock& block, std::size_t offset, std::size_t length, std::string_view text) {
  std::memcpy(block.data() + offset, text.data(), std::min(length, text.size()));
}

bool fits_octal(std::uint64_t value, std::size_t length) { return value < (std::uint64_t{1} << (3 * (length - 1))); }

void put_number(HeaderBlock& block, std::size_t offset, std::size_t length, std::uint64_t value) {
  if (!fits_octal(value, length)) value = 0;  // a pax record says it
  put_text(block, offset, length, fmt::format("{:0{}o}", value, length - 1));
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // blank, '=', line end
  std::size_t length = rest + 1;
  while (fmt::formatted_size("{}", length) + rest != length) length = fmt::formatted_size("{}", length) + rest;
  return fmt::format("{} {}={}\n", length, key, value);
}

HeaderBlock make_header(const TarEntry& entry, char flag, std::uint64_t size) {
  HeaderBlock block{};
  put_text(block, 0, 100, entry.name);
  put_number(block, 100, 8, entry.mode & 07777U);
  put_number(block, 108, 8, entry.uid);
  put_number(block, 116, 8, entry.gid);
  put_number(block, 124, 12, size);
  const std::int64_t seconds = unix_seconds(entry.mtime);
  put_number(block, 136, 12, seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds));
  block[156] = flag;
  put_text(block, 157, 100, entry.link);
  put_text(block, 257, 8, std::string_view("ustar\00000", 8));
  put_number(block, 329, 8, entry.device_major);
  put_number(block, 337, 8, entry.device_minor);
  put_text(block, 148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_text(block, 148, 8, std::string_view(fmt::format("{:06o}", sum)));
  block[154] = '\0';
  block[155] = ' ';
  return block;
}

std::string pax_records(const TarEntry& entry, std::uint64_t size) {
  std::string records;
  const auto add = [&records](std::string_view key, std::string_view value) { records += pax_record(key, value); };
  const auto is_plain = [](std::string_view text, std::size_t limit) {
    return text.size() <= limit && std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  };
  if (!is_plain(entry.name, 100)) add("path", entry.name);
  if (!is_plain(entry.link, 100)) add("linkpath", entry.link);
  if (!fits_octal(size, 12)) add("size", fmt::to_string(size));
  if (!fits_octal(entry.uid, 8)) add("uid", fmt::to_string(entry.uid));
  if (!fits_octal(entry.gid, 8)) add("gid", fmt::to_string(entry.gid));
  const std::int64_t nanoseconds = unix_nanoseconds(entry.mtime);
  if (nanoseconds < 0 || nanoseconds % 1'000'000'000 != 0) {
    const std::uint64_t magnitude = nanoseconds < 0 ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
    add("mtime", fmt::format("{}{}.{:09}", nanoseconds < 0 ? "-" : "", magnitude / 1'000'000'000, magnitude % 1'000'000'000));
  }
  for (const auto& [key, value] : entry.xattrs) add("SCHILY.xattr." + key, value);
  return records;
}

}  // namespace

void TarWriter::blocking_align() {
  SOCKERLESS_ASSERT(remaining_ == 0, "every member is written to its full size");
  if (written_ % kBlock != 0) {
    sink_.blocking_write(std::span(kZeros).first(kBlock - written_ % kBlock));
  }
  written_ = 0;
}

void TarWriter::blocking_add(const TarEntry& entry) {
  blocking_align();
  const std::uint64_t size = entry.type == TarEntry::Type::file ? entry.size : 0;
  if (const std::string records = pax_records(entry, size); !records.empty()) {
    TarEntry meta;
    meta.name = "PaxHeaders.0/" + entry.name.substr(0, 80);
    meta.mode = 0644;
    const HeaderBlock pax = make_header(meta, 'x', records.size());
    sink_.blocking_write(std::as_bytes(std::span(pax)));
    remaining_ = records.size();
    blocking_write(std::as_bytes(std::span(records)));
    blocking_align();
  }
  const HeaderBlock header = make_header(entry, flag_of(entry.type), size);
  sink_.blocking_write(std::as_bytes(std::span(header)));
  remaining_ = size;
}

void TarWriter::blocking_write(std::span<const std::byte> bytes) {
  SOCKERLESS_ASSERT(bytes.size() <= remaining_, "no more bytes than the member's header says");
  sink_.blocking_write(bytes);
  remaining_ -= bytes.size();
  written_ += bytes.size();
}

void TarWriter::blocking_add_file(std::string_view name, std::string_view content, TimePoint mtime) {
  TarEntry entry;
  entry.name = name;
  entry.mode = 0644;
  entry.mtime = mtime;
  entry.size = content.size();
  blocking_add(entry);
  blocking_write(std::as_bytes(std::span(content)));
}

void TarWriter::blocking_finish() {
  blocking_align();
  sink_.blocking_write(kZeros);
  sink_.blocking_write(kZeros);
}

}  // namespace sockerless::oci
