// Field order and meaning: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 to 4.3.16 and 4.5.3.
#include "convert/zip_archive.h"

#include <algorithm>

#include "convert/crc32.h"
#include "weights/utf8.h"

namespace gpen {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kEndSize = 22, kLocatorSize = 20;
constexpr uint32_t kInZip64 = 0xffffffff;

struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

Status damaged(const char* what) { return fail(Code::model, "damaged zip file: ", what); }

// The end record is searched backwards, since a comment of up to 64 KiB may follow it.
Result<size_t> find_end(Bytes file) {
  if (file.size() < kEndSize) return damaged("too short");
  const size_t last = file.size() - kEndSize;
  const size_t first = last > 0xffff ? last - 0xffff : 0;
  for (size_t at = last + 1; at-- > first;) {
    ByteReader reader(file.subspan(at));
    if (reader.read<uint32_t>() != kEnd) continue;
    reader.take(16);
    if (reader.read<uint16_t>() == file.size() - at - kEndSize) return at;
  }
  return damaged("no directory at its end (is the file cut short?)");
}

Result<Directory> find_directory(Bytes file) {
  GPEN_ASSIGN(const size_t end, find_end(file));
  ByteReader reader(file.subspan(end + 4));
  const auto disk = reader.read<uint16_t>(), directory_disk = reader.read<uint16_t>();
  reader.take(2);
  Directory d;
  d.entries = reader.read<uint16_t>();
  d.size = reader.read<uint32_t>();
  d.offset = reader.read<uint32_t>();
  const bool zip64 = end >= kLocatorSize && ByteReader(file.subspan(end - kLocatorSize)).read<uint32_t>() == kLocator64;
  if (zip64) {
    ByteReader locator(file.subspan(end - kLocatorSize + 8));
    const auto at = locator.read<uint64_t>();
    if (at > end) return damaged("the zip64 record lies outside the file");
    ByteReader record(file.subspan(static_cast<size_t>(at)));
    if (record.read<uint32_t>() != kEnd64) return damaged("the zip64 record is missing");
    record.take(8 + 2 + 2 + 4 + 4 + 8);
    d.entries = record.read<uint64_t>();
    d.size = record.read<uint64_t>();
    d.offset = record.read<uint64_t>();
    if (!record.ok()) return damaged("the zip64 record is cut short");
  } else if (disk != 0 || directory_disk != 0) {
    return damaged("it is one part of several");
  }
  if (d.offset > end || d.size > end - d.offset) return damaged("the directory lies outside the file");
  return d;
}

struct Entry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

// The 64-bit values that replace those of 0xffffffff, in this order (extra field 1).
bool read_zip64_extra(Bytes extra, Entry* entry) {
  ByteReader reader(extra);
  while (reader.remaining() >= 4) {
    const auto id = reader.read<uint16_t>();
    ByteReader field(reader.take(reader.read<uint16_t>()));
    if (!reader.ok()) return false;
    if (id != 1) continue;
    for (uint64_t* value : {&entry->size, &entry->packed, &entry->offset}) {
      if (*value == kInZip64) *value = field.read<uint64_t>();
    }
    return field.ok();
  }
  return true;  // a size of exactly 0xffffffff without the field is then found to lie outside the file
}

Result<Entry> read_entry(ByteReader* reader) {
  Entry entry;
  if (reader->read<uint32_t>() != kDirectoryEntry) return damaged("the directory is not where it should be");
  reader->take(4);
  entry.flags = reader->read<uint16_t>();
  entry.method = reader->read<uint16_t>();
  reader->take(4);
  entry.crc = reader->read<uint32_t>();
  entry.packed = reader->read<uint32_t>();
  entry.size = reader->read<uint32_t>();
  const auto name_size = reader->read<uint16_t>(), extra_size = reader->read<uint16_t>(),
             comment_size = reader->read<uint16_t>();
  reader->take(8);
  entry.offset = reader->read<uint32_t>();
  entry.name = std::string(reader->text(name_size));
  const Bytes extra = reader->take(extra_size);
  reader->take(comment_size);
  if (!reader->ok() || !read_zip64_extra(extra, &entry)) return damaged("the directory is cut short");
  return entry;
}

// The member's bytes: behind its local header, which repeats the name with an extra field of its own.
Result<Bytes> locate(Bytes file, const Entry& entry, uint64_t directory_offset) {
  const auto refuse = [&](const char* what) {
    return fail(Code::model, "zip member \"", printable(entry.name), "\" ", what);
  };
  if ((entry.flags & 1) != 0) return refuse("is encrypted");
  if (entry.method != 0) return refuse("is compressed; checkpoints are stored uncompressed");
  if (entry.packed != entry.size) return refuse("has two different sizes");
  if (entry.offset > directory_offset) return refuse("lies outside the file");
  ByteReader reader(file.subspan(static_cast<size_t>(entry.offset), directory_offset - entry.offset));
  if (reader.read<uint32_t>() != kLocalHeader) return refuse("has no header where the directory says");
  reader.take(22);
  const auto name_size = reader.read<uint16_t>(), extra_size = reader.read<uint16_t>();
  if (reader.text(name_size) != entry.name) return refuse("has another name in its header");
  reader.take(extra_size);
  const Bytes data = reader.take(entry.size);
  if (!reader.ok()) return refuse("lies outside the file");
  return data;
}

}  // namespace

Result<ZipArchive> ZipArchive::open(Bytes file) {
  GPEN_ASSIGN(const Directory directory, find_directory(file));
  ByteReader reader(file.subspan(static_cast<size_t>(directory.offset), static_cast<size_t>(directory.size)));
  ZipArchive archive;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    GPEN_ASSIGN(const Entry entry, read_entry(&reader));
    GPEN_ASSIGN(const Bytes data, locate(file, entry, directory.offset));
    if (!archive.members_.emplace(entry.name, Member{data, entry.crc}).second) {
      return fail(Code::model, "zip member \"", printable(entry.name), "\" is listed twice");
    }
  }
  return archive;
}

Result<Bytes> ZipArchive::read(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) return fail(Code::model, "zip member \"", printable(name), "\" is missing");
  if (crc32(found->second.data) != found->second.crc) {
    return fail(Code::model, "zip member \"", printable(name), "\" is damaged: its checksum differs");
  }
  return found->second.data;
}

}  // namespace gpen
