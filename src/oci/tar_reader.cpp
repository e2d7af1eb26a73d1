#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "oci/tar.hpp"

namespace sockerless::oci {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kMaxMeta = 1UL << 20;  // Go's archive/tar has the same limit on long names and pax headers
constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMaxExtents = 1UL << 20;

[[noreturn]] void bad_header() { throw Error::invalid_argument("archive/tar: invalid tar header"); }
[[noreturn]] void cut_short() { throw Error::invalid_argument("unexpected EOF"); }

std::uint64_t padding_of(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

std::string_view field(std::span<const std::byte> block, std::size_t offset, std::size_t length) {
  return {reinterpret_cast<const char*>(block.data()) + offset, length};
}

std::string_view text_field(std::span<const std::byte> block, std::size_t offset, std::size_t length) {
  const std::string_view all = field(block, offset, length);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

/// A two's complement number in base 256, or octal digits between blanks and NULs.
std::int64_t number_field(std::span<const std::byte> block, std::size_t offset, std::size_t length) {
  std::string_view text = field(block, offset, length);
  const auto first = static_cast<unsigned char>(text[0]);
  if ((first & 0x80U) != 0) {
    const unsigned char inverse = (first & 0x40U) != 0 ? 0xff : 0x00;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto digit = static_cast<unsigned char>(static_cast<unsigned char>(text[i]) ^ inverse);
      if (i == 0) digit &= 0x7fU;
      if ((value >> 56U) != 0) bad_header();
      value = (value << 8U) | digit;
    }
    if (value > kMaxSize) bad_header();
    return inverse == 0xff ? -static_cast<std::int64_t>(value) - 1 : static_cast<std::int64_t>(value);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\0')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.remove_suffix(1);
  if (const auto end = text.find('\0'); end != std::string_view::npos) text = text.substr(0, end);
  if (text.empty()) return 0;
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || stop != text.data() + text.size() || value < 0) bad_header();
  return value;
}

std::uint64_t decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || value > kMaxSize) bad_header();
  return value;
}

std::uint32_t owner(std::uint64_t id) {
  if (id >= std::numeric_limits<std::uint32_t>::max()) bad_header();
  return static_cast<std::uint32_t>(id);
}

std::uint32_t device_number(std::int64_t number) {
  if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) bad_header();
  return static_cast<std::uint32_t>(number);
}

/// Seconds before and after 1970 that a TimePoint can hold; times outside are put to its nearest end, as nobody means them.
TimePoint time_of(std::int64_t seconds, std::int64_t nanoseconds) {
  constexpr std::int64_t kLimit = 9'000'000'000;
  const std::int64_t clamped = std::clamp(seconds, -kLimit, kLimit);
  return TimePoint{} + std::chrono::seconds(clamped) + std::chrono::nanoseconds(nanoseconds);
}

/// "1700000000.123456789", "-1.5".
TimePoint pax_time(std::string_view text) {
  const auto dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::int64_t seconds = 0;
  const auto [stop, error] = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (error != std::errc() || stop != whole.data() + whole.size()) bad_header();
  std::int64_t nanoseconds = 0;
  if (dot != std::string_view::npos) {
    const std::string_view fraction = text.substr(dot + 1);
    std::int64_t scale = 100'000'000;
    for (const char c : fraction) {
      if (c < '0' || c > '9') bad_header();
      nanoseconds += (c - '0') * scale;
      scale /= 10;
    }
    if (whole.starts_with('-')) nanoseconds = -nanoseconds;
  }
  return time_of(seconds, nanoseconds);
}

bool is_zero(std::span<const std::byte> block) {
  return std::ranges::all_of(block, [](std::byte b) { return b == std::byte{0}; });
}

void check_sum(std::span<const std::byte> block) {
  const std::int64_t stored = number_field(block, 148, 8);
  std::int64_t as_unsigned = 0;
  std::int64_t as_signed = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const auto byte = (i >= 148 && i < 156) ? static_cast<unsigned char>(' ') : std::to_integer<unsigned char>(block[i]);
    as_unsigned += byte;
    as_signed += static_cast<signed char>(byte);
  }
  if (stored != as_unsigned && stored != as_signed) bad_header();
}

/// Extents must ascend, lie within the file and hold exactly what is stored.
void check_extents(const TarEntry& entry) {
  std::uint64_t end = 0;
  std::uint64_t total = 0;
  for (const auto& extent : entry.extents) {
    if (extent.offset < end || extent.length > entry.size || extent.offset > entry.size - extent.length) bad_header();
    end = extent.offset + extent.length;
    total += extent.length;
  }
  if (total != entry.stored_size) bad_header();
}

bool has_data(char flag) { return flag == '0' || flag == '\0' || flag == '7' || flag == 'S'; }

TarEntry::Type type_of(char flag) {
  using enum TarEntry::Type;
  switch (flag) {
    case '0':
    case '\0':
    case '7':
    case 'S':
      return file;
    case '1':
      return hard_link;
    case '2':
      return symlink;
    case '3':
      return char_device;
    case '4':
      return block_device;
    case '5':
      return directory;
    case '6':
      return fifo;
    default:
      throw Error::invalid_argument("unhandled tar header type {}", static_cast<int>(static_cast<unsigned char>(flag)));
  }
}

/// What pax headers said: the last value of each key, and the old sparse form that repeats its keys.
struct PaxRecords {
  std::map<std::string, std::string> values;
  std::vector<TarEntry::Extent> extents;
};

void take_pax_record(std::string_view key, std::string_view value, PaxRecords& records) {
  if (key.empty()) bad_header();
  if (key == "GNU.sparse.offset") {
    if (records.extents.size() >= kMaxExtents) bad_header();
    records.extents.push_back({decimal(value), 0});
  } else if (key == "GNU.sparse.numbytes") {
    if (records.extents.empty()) bad_header();
    records.extents.back().length = decimal(value);
  } else if (value.empty()) {
    records.values.erase(std::string(key));
  } else {
    records.values.insert_or_assign(std::string(key), std::string(value));
  }
}

void parse_pax(std::string_view text, PaxRecords& records) {
  while (!text.empty()) {
    const auto blank = text.find(' ');
    if (blank == std::string_view::npos || blank > 10) bad_header();
    const std::uint64_t length = decimal(text.substr(0, blank));
    if (length < blank + 3 || length > text.size() || text[length - 1] != '\n') bad_header();
    const std::string_view record = text.substr(blank + 1, length - blank - 2);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos) bad_header();
    take_pax_record(record.substr(0, equals), record.substr(equals + 1), records);
    text.remove_prefix(length);
  }
}

const std::string* find_value(const std::map<std::string, std::string>& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

void apply_pax(const std::map<std::string, std::string>& pax, TarEntry& entry) {
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  for (const auto& [key, value] : pax) {
    if (key == "path") entry.name = value;
    if (key == "linkpath") entry.link = value;
    if (key == "uid") entry.uid = owner(decimal(value));
    if (key == "gid") entry.gid = owner(decimal(value));
    if (key == "mtime") entry.mtime = pax_time(value);
    if (key.starts_with(kXattr)) entry.xattrs.emplace(key.substr(kXattr.size()), value);
  }
  if (const auto* name = find_value(pax, "GNU.sparse.name")) entry.name = *name;
}

void parse_sparse_map(std::string_view map, TarEntry& entry) {
  std::vector<std::uint64_t> numbers;
  while (!map.empty()) {
    const auto comma = std::min(map.find(','), map.size());
    if (numbers.size() >= 2 * kMaxExtents) bad_header();
    numbers.push_back(decimal(map.substr(0, comma)));
    map.remove_prefix(std::min(comma + 1, map.size()));
  }
  if (numbers.size() % 2 != 0) bad_header();
  for (std::size_t i = 0; i < numbers.size(); i += 2) entry.extents.push_back({numbers[i], numbers[i + 1]});
}

}  // namespace

/// The header block of a member, and the long names before it.
struct TarReader::Header {
  std::array<std::byte, kBlock> block{};
  std::string long_name;
  std::string long_link;
};

TarReader::TarReader(BlockingSource& source, LastPadding last_padding) : source_(source), last_padding_(last_padding) {}

bool TarReader::read_block(Block block) {
  std::size_t done = 0;
  while (done < block.size()) {
    const std::size_t count = source_.blocking_read(block.subspan(done));
    if (count == 0) {
      if (done == 0) return false;
      cut_short();
    }
    done += count;
    position_ += count;
  }
  return true;
}

void TarReader::read_exactly(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    const std::size_t count = source_.blocking_read(buffer);
    if (count == 0) cut_short();
    position_ += count;
    buffer = buffer.subspan(count);
  }
}

void TarReader::skip_rest() {
  std::array<std::byte, 64UL * 1024> scratch;
  while (remaining_ > 0) {
    const std::size_t count = std::min<std::uint64_t>(remaining_, scratch.size());
    read_exactly(std::span(scratch).first(count));
    remaining_ -= count;
  }
  while (padding_ > 0) {
    const std::size_t count = source_.blocking_read(std::span(scratch).first(padding_));
    if (count == 0 && last_padding_ == LastPadding::needed) cut_short();
    position_ += count;
    padding_ = count == 0 ? 0 : padding_ - count;
  }
}

std::size_t TarReader::blocking_read(std::span<std::byte> buffer) {
  const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), remaining_);
  if (wanted == 0) return 0;
  const std::size_t count = source_.blocking_read(buffer.first(wanted));
  if (count == 0) cut_short();
  position_ += count;
  remaining_ -= count;
  return count;
}

std::string TarReader::read_meta(std::uint64_t size) {
  if (size > kMaxMeta) bad_header();
  std::string text(size, '\0');
  read_exactly(std::as_writable_bytes(std::span(text)));
  padding_ = padding_of(size);
  skip_rest();
  return text;
}

std::optional<TarEntry> TarReader::blocking_next() {
  if (ended_) return std::nullopt;
  skip_rest();
  Header header;
  PaxRecords pax;
  bool after_meta = false;
  for (;; after_meta = true) {
    if (!read_block(header.block) || is_zero(header.block)) break;
    check_sum(header.block);
    const char flag = field(header.block, 156, 1)[0];
    if (flag != 'x' && flag != 'g' && flag != 'L' && flag != 'K') return finish(header, pax.values, pax.extents);
    const std::int64_t size = number_field(header.block, 124, 12);
    if (size < 0) bad_header();
    std::string text = read_meta(static_cast<std::uint64_t>(size));
    if (flag == 'x') parse_pax(text, pax);
    if (flag == 'L') header.long_name = text.substr(0, text.find('\0'));
    if (flag == 'K') header.long_link = text.substr(0, text.find('\0'));
  }
  if (after_meta && !is_zero(header.block)) cut_short();
  ended_ = true;
  // After one block of zeros stands another, or nothing at all.
  if (is_zero(header.block) && read_block(header.block) && !is_zero(header.block)) bad_header();
  return std::nullopt;
}

TarEntry TarReader::finish(const Header& header, const std::map<std::string, std::string>& pax,
                           const std::vector<TarEntry::Extent>& pax_extents) {
  const std::span<const std::byte, kBlock> block = header.block;
  const char flag = field(block, 156, 1)[0];
  const bool is_ustar = field(block, 257, 6) == std::string_view("ustar\0", 6);
  const bool is_gnu = field(block, 257, 8) == std::string_view("ustar  \0", 8);
  TarEntry entry;
  entry.type = type_of(flag);
  entry.name = text_field(block, 0, 100);
  entry.link = text_field(block, 157, 100);
  if (is_ustar) {
    const bool is_star = field(block, 508, 4) == std::string_view("tar\0", 4);
    const std::string_view prefix = text_field(block, 345, is_star ? 131 : 155);
    if (!prefix.empty()) entry.name = std::string(prefix) + "/" + entry.name;
  }
  if (!header.long_name.empty()) entry.name = header.long_name;
  if (!header.long_link.empty()) entry.link = header.long_link;
  entry.mode = static_cast<std::uint32_t>(number_field(block, 100, 8)) & 07777U;
  if (!pax.contains("uid")) entry.uid = owner(static_cast<std::uint64_t>(number_field(block, 108, 8)));
  if (!pax.contains("gid")) entry.gid = owner(static_cast<std::uint64_t>(number_field(block, 116, 8)));
  entry.mtime = time_of(number_field(block, 136, 12), 0);
  if (is_ustar || is_gnu) {
    entry.device_major = device_number(number_field(block, 329, 8));
    entry.device_minor = device_number(number_field(block, 337, 8));
  }
  apply_pax(pax, entry);

  const std::int64_t header_size = number_field(block, 124, 12);
  if (header_size < 0) bad_header();
  entry.size = static_cast<std::uint64_t>(header_size);
  if (const auto* size = find_value(pax, "size")) entry.size = decimal(*size);
  // An old tar marks a directory by its name alone.
  if (entry.type == TarEntry::Type::file && flag != 'S' && entry.name.ends_with('/')) entry.type = TarEntry::Type::directory;
  if (!has_data(flag)) entry.size = 0;
  if (entry.size > kMaxSize - kBlock) bad_header();
  entry.stored_size = entry.size;
  remaining_ = entry.stored_size;
  padding_ = padding_of(remaining_);

  if (flag == 'S') {
    read_gnu_sparse(block, entry);
  } else if (entry.type == TarEntry::Type::file) {
    if (const auto* major = find_value(pax, "GNU.sparse.major"); major != nullptr && *major == "1") {
      entry.is_sparse = true;
      read_pax_sparse_map(entry);
      if (const auto* size = find_value(pax, "GNU.sparse.realsize")) entry.size = decimal(*size);
    } else if (const auto* map = find_value(pax, "GNU.sparse.map"); map != nullptr || !pax_extents.empty()) {
      entry.is_sparse = true;
      entry.extents = pax_extents;
      if (map != nullptr) entry.extents.clear(), parse_sparse_map(*map, entry);
      if (const auto* size = find_value(pax, "GNU.sparse.size")) entry.size = decimal(*size);
    }
  }
  if (entry.is_sparse) check_extents(entry);
  if (entry.type == TarEntry::Type::directory && remaining_ > 0) {  // v7: nothing may follow a directory's header but padding
    skip_rest();
    entry.size = entry.stored_size = 0;
  }
  if (entry.name.empty() || entry.name.contains('\0') || entry.link.contains('\0')) bad_header();
  return entry;
}

void TarReader::read_gnu_sparse(std::span<const std::byte, kBlock> block, TarEntry& entry) {
  entry.is_sparse = true;
  const std::int64_t real_size = number_field(block, 483, 12);
  if (real_size < 0) bad_header();
  entry.size = static_cast<std::uint64_t>(real_size);
  const auto take = [&entry](std::span<const std::byte> table, std::size_t at, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (is_zero(table.subspan(at + i * 24, 24))) return;
      const std::int64_t offset = number_field(table, at + i * 24, 12);
      const std::int64_t length = number_field(table, at + i * 24 + 12, 12);
      if (offset < 0 || length < 0 || entry.extents.size() >= kMaxExtents) bad_header();
      entry.extents.push_back({static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)});
    }
  };
  take(block, 386, 4);
  bool more = block[482] != std::byte{0};
  std::array<std::byte, kBlock> extension{};
  while (more) {
    if (!read_block(extension)) cut_short();
    take(extension, 0, 21);
    more = extension[504] != std::byte{0};
    if (entry.extents.size() >= kMaxExtents) bad_header();
  }
}

void TarReader::read_pax_sparse_map(TarEntry& entry) {
  std::string text;
  std::size_t at = 0;
  const auto next_number = [&]() -> std::uint64_t {
    for (;;) {
      if (const auto end = text.find('\n', at); end != std::string::npos) {
        const std::uint64_t number = decimal(std::string_view(text).substr(at, end - at));
        at = end + 1;
        return number;
      }
      if (text.size() - at > 32 || remaining_ < kBlock) bad_header();
      std::array<std::byte, kBlock> block{};
      if (!read_block(block)) cut_short();
      remaining_ -= kBlock;
      text.erase(0, at);
      at = 0;
      text.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
  };
  const std::uint64_t count = next_number();
  if (count > kMaxExtents) bad_header();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t offset = next_number();
    entry.extents.push_back({offset, next_number()});
  }
  entry.stored_size = remaining_;
}

std::string clean_path(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !absolute) {
      parts.push_back(part);
    }
  }
  std::string cleaned;
  for (const auto part : parts) {
    if (!cleaned.empty()) cleaned += '/';
    cleaned += part;
  }
  return cleaned.empty() ? "." : cleaned;
}

bool climbs_out(std::string_view cleaned) { return cleaned == ".." || cleaned.starts_with("../"); }

}  // namespace sockerless::oci
