// PyTorch checkpoints written by hand, byte by byte, in both containers: what the tests need when no PyTorch and no
// shared data is there, and what no PyTorch would write.
#pragma once
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "convert/crc32.h"

namespace gpen::test {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
template <class T>
std::string raw_all(const std::vector<T>& values) {
  std::string bytes;
  for (T v : values) bytes += raw(v);
  return bytes;
}

// Not operator+: "literal" + string trips GCC 12's -Wrestrict.
template <class... Parts>
std::string join(const Parts&... parts) {
  std::string bytes;
  (bytes.append(parts), ...);
  return bytes;
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  // A new file each time: ext4 flushes one that is emptied and written again, which takes milliseconds.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// ---- pickle opcodes (protocol 2) ----
namespace pkl {
inline std::string start(int protocol = 2) { return std::string("\x80") + static_cast<char>(protocol); }
inline std::string text(const std::string& s) { return join("X", raw(static_cast<uint32_t>(s.size())), s); }
inline std::string integer(int64_t v) {
  if (v >= 0 && v < 256) return join("K", raw(static_cast<uint8_t>(v)));
  if (v >= INT32_MIN && v <= INT32_MAX) return join("J", raw(static_cast<int32_t>(v)));
  return std::string("\x8a\x08") + raw(v);
}
inline std::string global(const std::string& module, const std::string& name) {
  return join("c", module, "\n", name, "\n");
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string s = "(";
  for (const std::string& item : items) s += item;
  return s + "t";
}
inline std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t v : values) items.push_back(integer(v));
  return tuple(items);
}
inline std::string ordered_dict() { return global("collections", "OrderedDict") + ")R"; }
// Onto the dictionary on the stack.
inline std::string items(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string s = "(";
  for (const auto& [key, value] : pairs) s += text(key) + value;
  return s + "u";
}
inline std::string storage(const std::string& type, const std::string& key, int64_t count,
                           const std::string& view = "") {
  return tuple({text("storage"), global("torch", type), text(key), text("cuda:0"), integer(count), view}) + "Q";
}
inline std::string tensor(const std::string& storage_code, int64_t offset, const std::vector<int64_t>& size,
                          const std::vector<int64_t>& stride) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage_code, integer(offset), integers(size), integers(stride), "\x89", ordered_dict()}) + "R";
}
}  // namespace pkl

// ---- zip container ----
struct ZipMember {
  std::string name, data;
  uint16_t method = 0, flags = 0;
  uint32_t claimed_size = 0;  // in the directory; 0: the real one
};

inline uint32_t crc_of(const std::string& data) {
  return crc32(Bytes(reinterpret_cast<const std::byte*>(data.data()), data.size()));
}

// zip64: the end record and every size and offset in their 64-bit form.
inline std::string zip(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string file, directory;
  for (const ZipMember& m : members) {
    const auto size = m.claimed_size != 0 ? m.claimed_size : static_cast<uint32_t>(m.data.size());
    const uint64_t offset = file.size();
    const std::string common = raw(m.method) + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(crc_of(m.data));
    const std::string padding(37, 'F');  // PyTorch aligns the data with an extra field
    file += raw(uint32_t{0x04034b50}) + raw(uint16_t{45}) + raw(m.flags) + common + raw(size) + raw(size) +
            raw(static_cast<uint16_t>(m.name.size())) + raw(static_cast<uint16_t>(4 + padding.size())) + m.name + "FB" +
            raw(static_cast<uint16_t>(padding.size())) + padding + m.data;
    const std::string extra =
        zip64 ? raw(uint16_t{1}) + raw(uint16_t{24}) + raw(uint64_t{size}) + raw(uint64_t{size}) + raw(offset) : "";
    const uint32_t size32 = zip64 ? 0xffffffffu : size;
    directory += raw(uint32_t{0x02014b50}) + raw(uint16_t{45}) + raw(uint16_t{45}) + raw(m.flags) + common +
                 raw(size32) + raw(size32) + raw(static_cast<uint16_t>(m.name.size())) +
                 raw(static_cast<uint16_t>(extra.size())) + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(uint16_t{0}) +
                 raw(uint32_t{0}) + raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(offset)) + m.name + extra;
  }
  const uint64_t start = file.size(), count = members.size();
  file += directory;
  if (zip64) {
    const uint64_t record = file.size();
    file += raw(uint32_t{0x06064b50}) + raw(uint64_t{44}) + raw(uint16_t{45}) + raw(uint16_t{45}) + raw(uint32_t{0}) +
            raw(uint32_t{0}) + raw(count) + raw(count) + raw(uint64_t{directory.size()}) + raw(start);
    file += raw(uint32_t{0x07064b50}) + raw(uint32_t{0}) + raw(record) + raw(uint32_t{1});
  }
  return file + raw(uint32_t{0x06054b50}) + raw(uint16_t{0}) + raw(uint16_t{0}) +
         raw(zip64 ? uint16_t{0xffff} : static_cast<uint16_t>(count)) +
         raw(zip64 ? uint16_t{0xffff} : static_cast<uint16_t>(count)) +
         raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(directory.size())) +
         raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(start)) + raw(uint16_t{0});
}

using Storages = std::vector<std::pair<std::string, std::string>>;  // key, bytes

inline std::string zip_checkpoint(const std::string& pickle, const Storages& storages, bool zip64 = false) {
  std::vector<ZipMember> members{{"archive/data.pkl", pickle}};
  for (const auto& [key, bytes] : storages) members.push_back({join("archive/data/", key), bytes});
  members.push_back({"archive/version", "3\n"});
  return zip(members, zip64);
}

// ---- the container before PyTorch 1.6 ----
inline std::string legacy_header() {
  using namespace pkl;
  return start() + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + start() + "M\xe9\x03." + start() + "}" +
         items({{"protocol_version", integer(1001)}, {"little_endian", "\x88"}}) + ".";
}
// element_size: of every storage.
inline std::string legacy_checkpoint(const std::string& pickle, const Storages& storages, size_t element_size) {
  std::string keys = pkl::start() + "](", data;
  for (const auto& [key, bytes] : storages) {
    keys += pkl::text(key);
    data += raw(static_cast<int64_t>(bytes.size() / element_size)) + bytes;
  }
  return legacy_header() + pickle + keys + "e." + data;
}

}  // namespace gpen::test
